"""Text tables: layouts, headers, missing values, labels, pictures and refusals."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from scratchvae.cli.outputs import write_array
from scratchvae.datasets import dataset, load, tables
from scratchvae.errors import DataError

LINES = [f"{k},{k}.5,-{k}e-2" for k in range(12)]
ROWS = np.array([[k, k + 0.5, -k * 1e-2] for k in range(12)])


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def lines(*changed, first="a,b,c"):
    """The table with the header `first` and some lines replaced."""
    rows = [first, *LINES]
    for k, line in changed:
        rows[k - 1] = line
    return "\n".join(rows)


def assert_refused(path, *words):
    with pytest.raises(DataError) as refusal:
        load(path)
    for word in (str(path), *words):
        assert word in refusal.value.message


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte-order mark"])
@pytest.mark.parametrize("between", [",", ";", "\t", ", "])
@pytest.mark.parametrize("names", [[], ["a,b,c"]], ids=["bare", "under names"])
def test_the_same_numbers_are_read_from_any_layout(write, end, mark, between, names):
    table_lines = [between.join(line.split(",")) for line in names + LINES]
    data = load(write(mark + end.join([*table_lines, "", " ", ""])))
    assert (data.name.endswith("table.csv"), data.image_shape) == (True, None)
    rows = data.part("all")
    assert rows.labels is None
    assert rows.images.dtype == np.float64
    assert np.array_equal(rows.images, ROWS)
    assert np.array_equal(data.test.images, ROWS[data.test_mask])
    assert data.test_mask.sum() == 1
    assert data.columns == (("a", "b", "c") if names else None)


@given(st.integers(10, 40), st.integers(1, 9), st.sampled_from(["excel", "excel-tab", "unix"]), seeds)
def test_files_of_the_csv_module_are_read_bit_for_bit(tmp_path_factory, rows, columns, dialect, seed):
    numbers = np.random.default_rng(seed).normal(size=(rows, columns)) * 10.0 ** np.arange(columns)
    path = tmp_path_factory.mktemp("csv") / f"table.{'tsv' if dialect == 'excel-tab' else 'csv'}"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, dialect).writerows(numbers.tolist())
    assert np.array_equal(load(path).part("all").images, numbers)


@given(st.integers(10, 30), st.integers(1, 5), st.booleans(), seeds)
def test_files_of_embed_are_read_with_their_labels(tmp_path_factory, rows, columns, labelled, seed):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(rows, columns)).astype(np.float32)
    labels = rng.integers(0, 12, rows) if labelled else None
    path = tmp_path_factory.mktemp("csv") / "codes.csv"
    write_array(codes, str(path), [f"z{k}" for k in range(columns)], labels)
    data = load(path)
    assert np.array_equal(data.part("all").images.astype(np.float32), codes)
    if labelled:
        assert data.train.labels.dtype == np.int64
        assert data.classes == tuple(map(str, np.unique(labels)))
        assert [int(data.classes[label]) for label in data.part("all").labels] == labels.tolist()
        assert np.array_equal(data.test.labels, data.part("all").labels[data.test_mask])
    else:
        assert data.train.labels is data.test.labels is data.classes is None
    assert data.columns == tuple(f"z{k}" for k in range(columns))


@pytest.mark.parametrize("cell", ["", " ", "NA", "N/A", "nan", "NaN", "?", "null", "#N/A"])
def test_missing_cells_become_nan(write, cell):
    rows = load(write(lines((4, f"{cell},2.5,-2e-2"), (13, f"11,{cell},{cell}")))).part("all").images
    assert np.argwhere(np.isnan(rows)).tolist() == [[2, 0], [11, 1], [11, 2]]
    assert np.array_equal(np.where(np.isnan(rows), 0, rows), np.where(np.isnan(rows), 0, ROWS))


@pytest.mark.parametrize(
    ("labels", "expected", "classes"),
    [
        ([3, 0, "2.0", "", -1] * 2 + [1, 1], [4, 1, 3, -1, 0] * 2 + [2, 2], ("-1", "0", "1", "2", "3")),
        (["b", "a", "ä", "", " b", "10"] * 2, [2, 1, 3, -1, 2, 0] * 2, ("10", "a", "b", "ä")),
        (["NA", "nan", "", "None"] * 3, [0, 1, -1, 2] * 3, ("NA", "nan", "None")),
    ],
    ids=["whole numbers", "names", "words for missing numbers"],
)
@pytest.mark.parametrize("column", [0, 1, 3])
@pytest.mark.parametrize("name", ["label", " Label "])
def test_a_column_named_label_contains_the_labels(write, labels, expected, classes, column, name):
    cells = [["a", "b", "c"], *(line.split(",") for line in LINES)]
    for row, cell in zip(cells, [name, *labels], strict=True):
        row.insert(column, str(cell))
    data = load(write("\n".join(map(",".join, cells))))
    rows = data.part("all")
    assert np.array_equal(rows.images, ROWS)
    assert rows.labels.tolist() == expected
    assert data.classes == classes
    assert data.columns == ("a", "b", "c")


NAN = np.nan


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        # numbers of the columns as names
        ("0,1,2\n.5,.25,1e-1\n3,4,5\n", [[0.5, 0.25, 0.1], [3, 4, 5]], ("0", "1", "2")),
        ("1;2;3\n0,5;2,5;1,5\n", [[0.5, 2.5, 1.5]], ("1", "2", "3")),
        ("0,1,2\n,0.5,NA\n", [[NAN, 0.5, NAN]], ("0", "1", "2")),
        (",0,1\n0,5,6\n1,7,8\n", [[5, 6], [7, 8]], ("0", "1")),
        (",0\n0,5\n1,7\n", [[5], [7]], ("0",)),
        ("0,1,2,\n.5,.25,.1,\n", [[0.5, 0.25, 0.1]], ("0", "1", "2")),
        ("0,1,2\n3,4,5\n6,7,8\n", [[0, 1, 2], [3, 4, 5], [6, 7, 8]], None),
        ("1,2,3\n4,5,6\n", [[1, 2, 3], [4, 5, 6]], None),
        ("1,2\n0.5,7\n", [[1, 2], [0.5, 7]], None),
        ("1\n0\n", [[1], [0]], None),
        ("0.0,1.0,2.0\n.5,.5,.5\n", [[0, 1, 2], [0.5] * 3], None),
        ("2019,2020,2021\n.5,.25,.1\n", [[0.5, 0.25, 0.1]], ("2019", "2020", "2021")),
        (",2019,2020\n0,5,7\n", [[5, 7]], ("2019", "2020")),
        (",5,5\n0,5,7\n", [[NAN, 5, 5], [0, 5, 7]], None),
        (",5,6\n1,5,7\n", [[NAN, 5, 6], [1, 5, 7]], None),
        # comments
        ("# a,b\n1,2\n", [[1, 2]], ("a", "b")),
        ("# by me\n#a, b \n1,2\n# a,b\n3,4\n", [[1, 2], [3, 4]], ("a", "b")),
        ("# x,y\na,b\n1,2\n", [[1, 2]], ("a", "b")),
        ("# x,y,z\n1,2\n", [[1, 2]], None),
        ("# 1.5,2\n1,2\n", [[1, 2]], None),
        ("# 0,1\n1,2\n", [[1, 2]], ("0", "1")),
        ("a,b\n1,2\n#3,4\n5,6\n#", [[1, 2], [5, 6]], ("a", "b")),
        ("a,b\n#N/A,2\n#NA,4\n", [[NAN, 2], [NAN, 4]], ("a", "b")),
        # columns without a name that count the rows
        (",a,b\n0,1,2\n1,3,4\n", [[1, 2], [3, 4]], ("a", "b")),
        ('"","a"\n"1",1\n"2",3\n', [[1], [3]], ("a",)),
        ("Unnamed: 0,a\n0,1\n1,3\n", [[1], [3]], ("a",)),
        (",Unnamed: 0,a\n0,1,1\n1,2,3\n", [[1], [3]], ("a",)),
        ("#,a\n1,5\n2,7\n", [[5], [7]], ("a",)),
        ("index,a\n0,5\n1,7\n", [[0, 5], [1, 7]], ("index", "a")),
        # last columns without a name and content
        ("a,b,\n1,2,\n", [[1, 2]], ("a", "b")),
        ("a;;\n1;;\n2; ;\n", [[1], [2]], ("a",)),
        ("1,2,\n3,,\n", [[1, 2], [3, NAN]], None),
        ("1,2,\n3,4,5\n", [[1, 2, NAN], [3, 4, 5]], None),
        ("1,2,NA\n3,4,NA\n", [[1, 2, NAN], [3, 4, NAN]], None),
        ("a,b\n1,\n2,\n", [[1, NAN], [2, NAN]], ("a", "b")),
        ("a,Unnamed: 1\n1,\n", [[1]], ("a",)),
        # the line of Excel
        ("sep=;\na;b\n1;2\n", [[1, 2]], ("a", "b")),
        ("sep=;\n1,5;2\n", [[1.5, 2]], None),
        ("\ufeffsep=;\r\n1,5;2\r\n", [[1.5, 2]], None),
        ('"sep=,"\r\na,b\r\n1,2\r\n', [[1, 2]], ("a", "b")),
        ("sep=|\na|b\n1|2.5\n", [[1, 2.5]], ("a", "b")),
        # decimal commas
        ("a;b\n1,5;2\n3;0,25\n", [[1.5, 2], [3, 0.25]], ("a", "b")),
        ("1,5;2,25\n,5;-1e3\n", [[1.5, 2.25], [0.5, -1000]], None),
        ("a;b\n1,234;2,5\n", [[1.234, 2.5]], ("a", "b")),
        ("a;b\n1,5;.\n", [[1.5, NAN]], ("a", "b")),
        ("a.1;b.2\n1,5;2,5\n", [[1.5, 2.5]], ("a.1", "b.2")),
        ('a,b\n"1,5",2\n', [[1.5, 2]], ("a", "b")),
        ("a\tb\n1,5\t2\n", [[1.5, 2]], ("a", "b")),
        ("a;label\n1,5;St. John\n", [[1.5]], ("a",)),
        ("a;b\n1.234;5\n0.5;6\n", [[1.234, 5], [0.5, 6]], ("a", "b")),
        ("a;b\n1.234;0.125\n", [[1.234, 0.125]], ("a", "b")),
        ("a,b\n1.234,5.678\n", [[1.234, 5.678]], ("a", "b")),
        # true and false
        ("a,b\nTrue,2\nfalse,3\nNA,4\n1,5\n", [[1, 2], [0, 3], [NAN, 4], [1, 5]], ("a", "b")),
        ("1,5\n-1.5,05\n2,05\n", [[1, 5], [-1.5, 5], [2, 5]], None),
        ("a,b\n1,05\n", [[1, 5]], ("a", "b")),
        ("TRUE,FALSE\nFALSE,FALSE\n", [[1, 0], [0, 0]], None),
        # one column
        ("h\n1\n\n3\n", [[1], [NAN], [3]], ("h",)),
        ('h\n1\n""\n\n3', [[1], [NAN], [NAN], [3]], ("h",)),
        ('h\n1\n""\n', [[1], [NAN]], ("h",)),
        ("h\n\n1\n", [[NAN], [1]], ("h",)),
        ("h\n1\n2\n\n \n\n", [[1], [2]], ("h",)),
        ("\nh\n1\n", [[1]], ("h",)),
        ("1.5\n\n2\n", [[1.5], [NAN], [2]], None),
        ("h\r\r\n1\r\r\n2\r\r\n", [[1], [2]], ("h",)),
        ("h\r\n1\r\n\r\n2\r\n", [[1], [NAN], [2]], ("h",)),
        ("h\r1\r\r2\r", [[1], [NAN], [2]], ("h",)),
        # the rest
        ("a,b\n1,2\n\n,\n \n3,4\n", [[1, 2], [NAN, NAN], [3, 4]], ("a", "b")),
        ("a,b\ninf,-Infinity\n", [[np.inf, -np.inf]], ("a", "b")),
        ("a,A\n1,2\n", [[1, 2]], ("a", "A")),
        ("7,5\n", [[7, 5]], None),
        ("label,0,x\nk,5,6\n", [[5, 6]], ("0", "x")),
        ("# label,a\nx,5\n", [[5]], ("a",)),
        ('label,a\n"#x",5\n', [[5]], ("a",)),
        ("0,1,label\n2,3,x\n", [[2, 3]], ("0", "1")),
        (",0,1,label\n0,2,3,x\n1,4,5,x\n", [[2, 3], [4, 5]], ("0", "1")),
        ("a,label,\n1,x,\n", [[1]], ("a",)),
    ],
)  # fmt: skip
def test_tables_of_other_programs_are_read_as_they_were_meant(write, text, rows, columns):
    data = load(write(text))
    assert np.array_equal(data.part("all").images, rows, equal_nan=True)
    assert data.columns == columns
    assert data.image_shape is None
    assert data.train.images.flags.c_contiguous
    assert (data.classes is None) == ("label" not in text)


@given(
    st.integers(2, 12),
    st.integers(1, 5),
    st.sampled_from([None, 0, 1]),
    st.sampled_from(["names", "numbers", "comment"]),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ",")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "NA", "NaN", "None", "."]),
    st.booleans(),
    seeds,
)
def test_any_mixture_of_layouts_is_read(
    tmp_path_factory, rows, columns, index, header, marks, quoting, encoding, end, gap, labelled, seed
):
    rng = np.random.default_rng(seed)
    columns += marks[1] == ","  # since a decimal comma in the only column looks like two columns
    numbers = rng.normal(size=(rows, columns)).round(4) + 1e-5
    numbers[1:-1][rng.random((rows - 2, columns)) < 0.2] = np.nan  # the last rows have a known value
    labels = [f"c{k}" for k in rng.integers(0, 3, rows)]
    header = "names" if header == "numbers" and columns < 3 and index is None else header
    names = [f"{k}" if header == "numbers" else f"x.{k}" for k in range(columns)]
    table = [[*names, *(["label"] if labelled else [])]]
    for row, label in zip(numbers, labels, strict=True):
        table.append([gap if np.isnan(x) else f"{x:.5f}".replace(".", marks[1]) for x in row])
        table[-1] += [label] if labelled else []
    if index is not None:
        table = [[str(index + k - 1) if k else "", *row] for k, row in enumerate(table)]
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=marks[0], quoting=quoting, lineterminator=end)
        if header == "comment":
            file.write("# ")
        writer.writerows(table)
    data = load(path)
    assert np.array_equal(data.part("all").images, numbers.round(5), equal_nan=True)
    assert data.columns == tuple(names)
    if labelled:
        assert [data.classes[k] for k in data.part("all").labels] == labels
    else:
        assert data.classes is data.train.labels is None


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("columns", [16, 40])
def test_many_column_numbers_above_whole_numbers_are_a_header(write, first, columns):
    rows = np.random.default_rng(0).integers(0, 3, (12, columns))
    rows[0] = 0
    names = [str(first + k) for k in range(columns)]
    data = load(write("\n".join(",".join(map(str, row)) for row in [names, *rows.tolist()])))
    assert np.array_equal(data.part("all").images, rows)
    assert data.columns == tuple(names)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_encodings_are_read_if_they_have_a_mark(write, encoding):
    data = load(write("ä\tb\n1,5\t2\n".encode(encoding)))
    assert (data.columns, data.part("all").images.tolist()) == (("ä", "b"), [[1.5, 2]])


@pytest.mark.parametrize("ends", [1, 3])
def test_empty_last_columns_are_left_out_of_many_rows(write, ends):
    rows = np.arange(5000 * 2).reshape(5000, 2) + 7
    text = "".join(f"{a},{b}{',' * ends}\n" for a, b in rows.tolist())
    assert np.array_equal(load(write(text)).part("all").images, rows)
    data = load(write(text + "1,2,3" + "," * (ends - 1)))
    assert data.part("all").images.shape == (5001, 3)
    assert np.isnan(data.part("all").images[:5000, 2]).all()


def picture_table(names, columns, cell=None):
    rows = np.random.default_rng(0).integers(0, 256, (12, columns)).tolist()
    rows[3][5] = rows[3][5] if cell is None else cell
    header = [] if names is None else [[*(names.format(k, row=k // 8, column=k % 8) for k in range(columns)), "label"]]
    return "\n".join(",".join(map(str, row)) for row in header + [[*row, 7] if header else row for row in rows])


@pytest.mark.parametrize(
    ("names", "columns", "cell", "shape"),
    [
        ("pixel{}", 64, None, (8, 8)), ("px_{}", 64, None, (8, 8)), ("p{}", 100, None, (10, 10)),
        ("Pixel {}", 64, 0.5, (8, 8)), ("{row}x{column}", 64, None, (8, 8)), ("pixel_{row}_{column}", 64, "", (8, 8)),
        (None, 64, None, (8, 8)), (None, 784, None, (28, 28)), ("{}", 64, None, (8, 8)),
        ("pixel{}", 16, None, None), ("pixel{}", 65, None, None), ("f{}", 64, None, None), ("{}", 64, 0.5, None),
        (None, 64, 256, None), (None, 64, -1, None), (None, 64, 0.5, None), (None, 64, "", None),
        (None, 49, None, None), (None, 82, None, None),
    ],
)  # fmt: skip
def test_only_pixels_are_pictures(write, names, columns, cell, shape):
    assert load(write(picture_table(names, columns, cell))).image_shape == shape


@pytest.mark.parametrize("columns", [65, 785])
def test_pixels_that_may_have_a_label_beside_them_need_names(write, columns):
    rows = np.random.default_rng(0).integers(0, 256, (12, columns)).tolist()
    text = "\n".join(",".join(map(str, row)) for row in rows)
    assert_refused(write(text), f"{columns} columns of 0 to 255", "name label")
    header = ",".join(["label", *(f"{k}x{k}" for k in range(columns - 1))])
    assert load(write(header + "\n" + text)).image_shape == (round((columns - 1) ** 0.5),) * 2
    assert load(write(text.replace("\n", ".5\n", 1))).image_shape is None


@pytest.mark.parametrize("columns", [1, 4, 9, 16, 25, 64])
def test_named_features_are_no_pictures(write, columns):
    rows = np.random.default_rng(0).random((10, columns)).tolist()
    names = [f"feature {k}" for k in range(columns)]
    data = load(write("\n".join(",".join(map(str, row)) for row in [names, *rows])))
    assert (data.image_shape, data.columns) == (None, tuple(names))


def test_quoted_names_may_contain_commas_and_line_breaks(write):
    text = lines(first='"a, in\nwords","b;;;;;;",c')
    assert np.array_equal(load(write(text)).part("all").images, ROWS)
    assert_refused(write(text.replace("3,3.5", "3,x")), "line 6, column 2 ('b;;;;;;'): 'x'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lines((4, "2,two,-2e-2")), ["line 4, column 2 ('b'): 'two' is not a number", "NA", "label"]),
        (lines((3, "2,two,-2e-2"), first=LINES[0]), ["line 3, column 2: 'two'"]),
        (lines((5, "x,3,1"), first="b,label,a"), ["line 5, column 1 ('b'): 'x'"]),
        (lines((5, "3,c,x"), first="b,label,a"), ["line 5, column 3 ('a'): 'x'"]),
        (",b,label,a\n0,1,c,x\n", ["line 2, column 4 ('a'): 'x'"]),
        (lines((4, "1_000,2,3")), ["line 4, column 1 ('a'): '1_000'", "underscores"]),
        (lines((4, "2," + "x" * 1000 + ",2")), ["line 4", "x" * 40 + "…"]),
        (lines((4, "2,2.5")), ["line 4: 2 cells, and 3"]),
        (lines((4, "2")), ["line 4: 1 cell, and 3"]),
        (lines((4, "2,2.5,1,1")), ["line 4: 4 cells, and 3"]),
        (lines((4, "2,2.5,1,")), ["line 4: 4 cells, and 3", "remove the ','"]),
        ("a,b\n1,5,6\n", ["line 2: 3 cells, and 2", "a name for each column"]),
        (lines((4, '2,"2.5,1')), ["line 13", "quotation mark"]),
        (lines((4, '2,"2"5,1')), ["line 4"]),
        (lines((4, "2,2.5\0,1")), ["line 4", "UTF-16"]),
        (lines((6, "a,b,c")), ["line 6 repeats the names", "joined"]),
        (lines((6, "\ufeffa,b,c")), ["line 6 repeats the names"]),
        (lines((6, "d,e,f")), ["line 6 holds only words, such as 'd'"]),
        (lines((6, "d,e,f"), first=LINES[0]), ["line 6 holds only words"]),
        ("0,1,2\n.5,.5,.5\n0,1,2\n", ["line 3 repeats the names"]),
        # numbers of the columns, or a row
        ("0\n0.5\n", ["line 1: '0' may be a row", "x0,x1"]),
        ("0,1\n0.5,0.25\n", ["line 1: '0,1' may be a row"]),
        ("0,1,2\n1,2,3\n", ["line 1: '0,1,2' may be a row"]),
        ("0,1,2\n0,1,2\n", ["may be a row"]),
        ("1,2,3\n9,5,6\n", ["may be a row"]),
        ("1,2,3\n9,0.5,6\n", ["may be a row"]),
        ("1,2,3\n,,\n", ["may be a row"]),
        ("1,2,3\n", ["may be a row"]),
        (",0,1\n5,6,7\n", ["may be a row"]),
        ("\n# x\n" + ",".join(map(str, range(30))) + "\n" + ",".join(map(str, range(30))), ["line 3", "may be a row"]),
        ("2019,2020,2021\n3,4,5\n", ["line 1: '2019,2020,2021' may be a row"]),
        ("2019,2020\n.5,.25\n", ["may be a row"]),
        (",5,7\n0,1,2\n", ["line 1: ',5,7' may be a row"]),
        # names
        ("a,b,a\n1,2,3\n", ["two columns named 'a', 1 and 3", "rename"]),
        ("# a,a\n1,2\n", ["two columns named 'a'"]),
        ("a,,b\n1,2,3\n", ["column 2 has no name"]),
        (",a\n0,1\n2,1\n", ["line 3, column 1: '2' does not count the rows", "no name"]),
        (",a\n17,1\n", ["line 2, column 1: '17'"]),
        (",a\n,1\n", ["line 2, column 1: ''"]),
        ('"","a"\n"Mazda",1\n', ["line 2, column 1: 'Mazda' does not count the rows"]),
        (",Unnamed: 0,a\n0,5,1\n", ["line 2, column 2: '5'"]),
        ("a,label,\n1,x,\n2,x,3\n", ["line 3, column 3: '3', and the column has no name"]),
        (lines(first="label,label,c"), ["2 columns named 'label'"]),
        ("label,a\n#red,1\n", ["line 2 begins with #", "quotation marks"]),
        # numbers in other forms
        ("a,b\n$5,1\n", ["line 2, column 1 ('a'): '$5'", "currency"]),
        ("$5,$6\n1,2\n", ["line 1, column 1: '$5'", "currency"]),
        ("-\n1\n2\n", ["line 1, column 1: '-'", "NA"]),
        ("a,b\n5%,1\n", ["percent"]),
        ("a,b\n2024-05-01,1\n", ["date"]),
        ("a,b\nT,1\n", ["1 and 0"]),
        ("a,b\nyes,1\n", ["1 and 0"]),
        ("a,b\n#DIV/0!,1\n", ["formula"]),
        ('a,b\n"1,234.5",1\n', ["line 2, column 1 ('a'): '1,234.5'", "thousands"]),
        ("a;b\n1.234,5;1\n", ["'1.234,5'", "thousands"]),
        ("a;b\n1 234,5;1\n", ["thousands"]),
        ('a,b\n"1,234",1\n"5,678",2\n', ["line 2, column 1 ('a')", "thousands", "decimal points"]),
        ("a;b\n1,234;2\n", ["line 2, column 1 ('a')", "thousands"]),
        ('a,b\n"1,234",1\n5,2.5\n', ["points, in line 3, column 2 ('b')", "commas, in line 2, column 1 ('a')"]),
        ("a;b\n1.234;2\n2;3\n2,5;3\n", ["points, in line 2, column 1 ('a')", "commas, in line 4, column 1 ('a')"]),
        ("a;b\n1.000;2\n2,5;3\n", ["decimal points", "thousands"]),
        ("h\n1,5\n2,5\n", ["line 2: 2 cells, and 1", "decimal commas"]),
        ("1,5\n0,05\n", ["line 2: '0,05' may be one number"]),
        ('1,5\n""\n', ["line 2: 1 cell, and 2"]),
        ("a,b\n1,5,2,25\n", ["line 2: 4 cells, and 2", "decimal commas"]),
        ("Title\na,b\n1,2\n", ["line 2: 2 cells, and 1", "title"]),
        ("a;b\n1.234;5\n2.345;60.000\n", ["line 2, column 1 ('a'): a point before three digits", "remove it"]),
        ("a,b\nTrue,1\n3.5,2\n", ["column 1 ('a'): true or false, and 3.5"]),
        ("a b c\n1 2 3\n", ["line 2, column 1 ('a b c'): '1 2 3'", "separate cells"]),
        ("1|2\n3|4\n", ["line 1: '1|2' has | between cells, which is no separator; save it with commas"]),
        ("sep=;;\n1;2\n", ["line 1", "sep="]),
        # empty lines
        ("h\n1\n\n3\n\n", ["ends with an empty line", "NA"]),
        ("\n1.5\n2\n", ["begins with an empty line", "NA"]),
        # no numbers
        ("a,b\n", ["no rows"]),
        ("h\n\n\n", ["no rows"]),
        (",,\n,,\n", ["no rows"]),
        ("label\n" + "1\n" * 20, ["no column of numbers"]),
        (",label\n0,x\n", ["no column of numbers"]),
        ("Unnamed: 0\n0\n", ["no column of numbers"]),
        ("color,a\n#ff0000,1\n", ["no rows", "begin with # are comments"]),
        ("\n\n", ["no rows"]),
        ("", ["no rows"]),
        ("sep=;\n", ["no rows"]),
        ("1,2\n".encode("utf-16-le"), ["UTF-16"]),
        ("1,2\n".encode("utf-16")[:-1], ["UTF-8"]),
        (b"1,2\n" * 99999 + b"\xff", ["UTF-8"]),
    ],
)
def test_an_invalid_table_is_refused_by_line_and_column(write, text, words):
    assert_refused(write(text), *words)


def test_the_second_row_is_read_before_the_header_is_known(write):
    assert_refused(write("a,b\n1,x\n"), "line 2, column 2 ('b')")
    assert_refused(write("# 1\n5,2\n\n# 2\n1,x\n"), "line 5, column 2: 'x'")
    assert_refused(write("5,x\n# 2\n\n1,2\n"), "line 1: 'x' is not a number, and '5' is")


def test_a_tsv_file_without_tabs_is_refused(write):
    assert_refused(write("a,b\n1,2\n", "table.tsv"), "line 1: 'a,b' has no tab", ".csv")
    assert_refused(write("1,5\n", "table.tsv"), "no tab")
    assert load(write("h\n1,5\n", "table.tsv")).part("all").images.tolist() == [[1.5]]


@pytest.mark.parametrize(
    "text",
    [
        "1" * (1 << 23),
        pytest.param("1," * (1 << 22), marks=pytest.mark.slow),
        pytest.param('"' + "1\n" * (1 << 22), marks=pytest.mark.slow),
        pytest.param('"",' * (1 << 21), marks=pytest.mark.slow),
    ],
)
def test_a_too_long_row_is_refused(write, text):
    path = write("a,b\n" + text)
    tracemalloc.start()
    try:
        assert_refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6


def test_labels_that_are_measurements_are_refused(write):
    text = "a,label\n" + "".join(f"1,{k / 7}\n" for k in range(40))
    assert_refused(write(text), "more than 32 labels such as", "rename the column")


@pytest.mark.parametrize(
    "end", ["\n", pytest.param(",\n", marks=pytest.mark.slow)], ids=["", "with an empty last column"]
)
def test_a_table_is_not_copied(write, end, monkeypatch):
    peaks = []

    def hold_out(name, images, *arguments):
        peaks.append(tracemalloc.get_traced_memory()[1])
        return dataset.hold_out(name, images, *arguments)

    monkeypatch.setattr(tables, "hold_out", hold_out)
    path = write(("0.25,0.5,0.75,1.25" + end) * 50_000)
    tracemalloc.start()
    try:
        data = load(path)
    finally:
        tracemalloc.stop()
    assert data.train.images.shape == (45_000, 4)
    assert max(peaks) < 1.5 * 50_000 * (4 + end.count(",")) * 8


def test_a_first_row_with_a_typo_is_not_a_header(write):
    text = "\n".join(["0.1,o.2,0.3", *LINES])
    assert_refused(write(text), "line 1", "'o.2' is not a number, and '0.1' is", "expected only names")
    assert len(load(write("\n".join(["NA,,0.3", *LINES]))).part("all").images) == len(LINES) + 1
    assert len(load(write("\n".join(["a,NA,c", *LINES]))).part("all").images) == len(LINES)


@pytest.mark.parametrize("order", [[7, 6, 5, 4, 3, 2, 1, 0], [1, 2, 3, 4, 5, 6, 7, 0]])
def test_column_numbers_in_another_order_are_names(tmp_path, order):
    x = np.random.default_rng(0).normal(size=(20, 8))[:, order]
    path = tmp_path / "x.csv"
    np.savetxt(path, x, delimiter=",", header=",".join(map(str, order)), comments="")
    data = load(path)
    assert data.columns == tuple(map(str, order))
    assert np.array_equal(data.part("all").images, np.loadtxt(path, delimiter=",", skiprows=1))


@pytest.mark.parametrize("header", ["0,2,5", "400,410,420", "2019,2021"])
def test_other_whole_numbers_above_decimals_are_refused_as_doubtful(tmp_path, header):
    row = ",".join(["0.5"] * len(header.split(",")))
    (tmp_path / "x.csv").write_text("\n".join([header, *[row] * 12]), encoding="utf-8")
    with pytest.raises(DataError, match="may be a row, or the numbers of the columns; write names"):
        load(tmp_path / "x.csv")


def test_empty_rows_at_the_end_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n" * 12 + ",\n,\n", encoding="utf-8")
    with pytest.raises(DataError, match="ends with 2 rows in which every cell is empty; remove them"):
        load(tmp_path / "x.csv")


def test_labels_that_are_all_different_are_no_classes_to_hold_out_by(tmp_path):
    rows = "\n".join(f"{k},{k},id{k}" for k in range(40))
    (tmp_path / "x.csv").write_text(f"a,b,label\n{rows}\n", encoding="utf-8")
    data = load(tmp_path / "x.csv")
    assert len(data.test.images) == 4 and len(data.classes) == 40


def test_a_semicolon_separates_although_a_decimal_comma_and_a_text_stand_in_each_row(tmp_path):
    rows = "\n".join(f"{k},25;kind {k % 2}" for k in range(12))
    (tmp_path / "x.csv").write_text(f"# a;label\n{rows}\n", encoding="utf-8")
    data = load(tmp_path / "x.csv")
    assert data.columns == ("a",) and data.classes == ("kind 0", "kind 1")
    assert data.part("all").images[:, 0].tolist() == [k + 0.25 for k in range(12)]
