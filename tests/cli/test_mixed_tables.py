"""Commands on a table whose columns are of several kinds."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.cli import main
from scratchvae.tables import TableSchema

QUICK = ("--epochs", "3", "--hidden", "16", "--latent", "2", "--no-pictures", "--quiet")
ROWS = 120
KINDS = {
    "kind": "category", "weight": "number", "tame": "boolean", "born": "date", "seen": "date", "visits": "count",
    "home": "constant", "group, of three": "category",
}  # fmt: skip


def make_rows():
    """A row of names, and ROWS rows of every kind of column, with a missing cell in every fifth row."""
    rng = np.random.default_rng(0)
    rows = [list(KINDS)]
    for k in range(ROWS):
        large = rng.random() < 0.5
        day = np.datetime64("2020-01-01") + int(rng.integers(900))
        moment = np.datetime64("2021-05-01T08:30") + int(rng.integers(90_000))
        row = [
            'dog, "large"' if large else "#cat",
            f"{(20 if large else 5) + rng.normal():.1f}",
            str(rng.random() < 0.5),  # True and False, as pandas writes them
            str(day),
            str(moment).replace("T", " "),
            str(rng.poisson(3 if large else 0.4)),
            "here",
            "xyz"[k % 3],
        ]
        if k % 5 == 0:
            row[k // 5 % len(row)] = ("", "NA", "?")[k % 3]
        rows.append(row)
    return rows


TABLE = make_rows()


def write(path, rows=TABLE, delimiter=","):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)  # "#cat" is no comment
    return path


def read(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def with_column(name, values, rows=TABLE):
    return [[*row, value] for row, value in zip(rows, [name, *values], strict=True)]


def is_missing(cell):
    return cell in ("", "NA", "?")


def kinds_of(path):
    return {str(column.name): column.kind for column in TableSchema.infer(path).columns}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("pets.csv")


@pytest.fixture
def run(capsys):
    """Run a command line, which must succeed; return what it prints."""

    def run(*words):
        assert main(list(words)) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def train(run):
    def train(*options, source="pets.csv", out="run"):
        run("train", source, *QUICK, "--out", out, *options)
        return sv.load(out)

    return train


def schema_of(model):
    return TableSchema.from_json(model.metadata["table_schema"])


# --- train


def test_train_prints_the_schema_that_python_infers_and_keeps_it_with_the_model(run):
    out = run("train", "pets.csv", "--epochs", "1", "--hidden", "8", "--no-pictures", "--out", "run")
    schema, model = TableSchema.infer("pets.csv"), sv.load("run")
    assert {column.name: column.kind for column in schema.columns} == KINDS
    assert out.startswith(f"{schema}\nto change the kind of a column, add --kinds NAME=KIND\n")
    assert "108 training rows of 11 numbers, 12 test rows" in out
    assert schema_of(model) == schema and model.input_dim == schema.width
    assert model.config["missing"] is True
    mask = sv.datasets.dataset.held_out_rows(ROWS, None, 0)
    missing = sum(any(map(is_missing, row)) for row, test in zip(TABLE[1:], mask, strict=True) if not test)
    assert json.loads(Path("run/config.json").read_text(encoding="utf-8"))["result"]["missing_values"] == missing


def test_the_result_is_that_of_the_trainer_on_the_encoded_training_rows(train):
    model = train()
    schema = TableSchema.infer("pets.csv")
    rows = schema.encode("pets.csv")
    mask = sv.datasets.dataset.held_out_rows(len(rows), None, 0)
    expected = sv.VAE(schema.width, 2, (16,), likelihood=schema.likelihood(), missing=True)
    trainer = sv.Trainer(expected, sv.optim.Cosine(1e-3, 3), 128)
    trainer.fit(rows[~mask], 3, validation=rows[mask])
    assert np.array_equal(model.theta, expected.theta)


def test_a_whole_table_needs_no_missing_values(train):
    write("whole.csv", [row for row in TABLE if not any(map(is_missing, row))])
    assert train(source="whole.csv").config["missing"] is False
    assert train("--missing", source="whole.csv").config["missing"] is True


def test_kinds_override_the_inferred_ones(train):
    model = train("--kinds", "visits=category", "group, of three=category", "tame=number")
    kinds = {column.name: column.kind for column in schema_of(model).columns}
    assert kinds == {**KINDS, "visits": "category", "tame": "number"}


def test_a_table_of_numbers_has_a_schema_only_if_asked_for(train):
    numbers = [["a", "b", "flag"], *([str(k % 7), f"{k / 3:.2f}", "true" if k % 2 else "false"] for k in range(60))]
    write("numbers.csv", numbers)
    plain = train(source="numbers.csv")
    assert "table_schema" not in plain.metadata and plain.schema.columns == ("a", "b", "flag")
    kinds = {column.name: column.kind for column in schema_of(train("--kinds", "auto", source="numbers.csv")).columns}
    assert kinds == {"a": "count", "b": "number", "flag": "boolean"}


def test_codes_with_leading_zeros_among_numbers_are_categories(run, train):
    codes = ("05484", "12345", "00000")
    rows = [["zip", "x", "label"], *([codes[k % 3], f"{k / 3:.2f}", "01"] for k in range(60))]
    write("codes.csv", rows)
    assert {column.name: column.kind for column in schema_of(train(source="codes.csv")).columns} == {
        "zip": "category",
        "x": "number",
    }
    run("sample", "run", "--count", "20")
    assert {row[0] for row in read("samples.csv")[1:]} <= set(codes)
    for k, values in enumerate((("0", "5", "10"), ("00.5", "0.25", "1"), ("0.05", "10", "100"))):
        write(f"{k}.csv", [["zip", "x"], *([values[i % 3], f"{i / 3:.2f}"] for i in range(60))])
        assert "table_schema" not in train(source=f"{k}.csv").metadata
    write("nameless.csv", [[codes[k % 3], f"{k / 3:.2f}"] for k in range(60)])
    assert "table_schema" not in train(source="nameless.csv").metadata


def test_large_numbers_are_sampled_and_reconstructed_to_the_unit(run, train):
    write("large.csv", with_column("at", [1_700_000_000 + k % 100 for k in range(ROWS)]))
    train("--epochs", "20", source="large.csv")
    for command in (("sample", "run", "--count", "200"), ("traverse", "run"), ("interpolate", "run")):
        run(*command, "--out", "rows.csv")
        column = np.array([int(row[-1]) for row in read("rows.csv")[1:]])
        assert ((column > 1_699_999_600) & (column < 1_700_000_500)).all() and (column % 128).any(), command


def test_filled_cells_have_the_form_of_those_in_the_file(run, train):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    rows = [["zoned", "spaced", "cents", "tiny", "tame"]]
    for k in range(ROWS):
        moment = str(np.datetime64("2024-01-02T00") + int(rng.integers(2000)))
        row = [f"{moment}:00:00Z", f"{moment}:30:55".replace("T", " "), f"{500_000 + rng.normal():.2f}",
               f"{rng.normal() / 1e9:.3e}", str(k % 2 == 0)]  # fmt: skip
        row[k % 5] = "" if k % 10 == 0 or k % 7 == 0 else row[k % 5]
        rows.append(row)
    write("forms.csv", rows)
    train(source="forms.csv")
    run("impute", "run", "--samples", "20")
    run("sample", "run")
    forms = [r"\d{4}-\d\d-\d\dT\d\d:00:00Z", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\d{6}\.\d\d",
             r"-?\d\.\d{3}e[+-]\d\d", "True|False"]  # fmt: skip
    for name in ("imputed.csv", "samples.csv"):
        for column, form in zip(zip(*read(name)[1:], strict=True), forms, strict=True):
            assert all(re.fullmatch(form, cell) for cell in column), form
        table = pandas.read_csv(name, parse_dates=["zoned", "spaced"])
        assert table.dtypes.astype(str).str.startswith("datetime64").sum() == 2 and table["tame"].dtype == bool


def test_a_column_that_is_set_aside_as_classes_is_named(run):
    options = [option for option in QUICK if option != "--quiet"]
    words = "the column named label is set aside as classes, and is not learned"
    whole = [row for row in with_column("Label", ["a", "b"] * (ROWS // 2)) if not any(map(is_missing, row))]
    numbers = [["x", "label"], *([str(k / 3), "ab"[k % 2]] for k in range(ROWS))]
    for rows in (whole, numbers):
        write("with.csv", rows)
        assert words in run("train", "with.csv", *options, "--out", "run")
        assert words not in run("train", "with.csv", *options, "--model", "semi-supervised", "--out", "run")
    assert words not in run("train", "pets.csv", *options, "--out", "run")


def test_a_category_with_a_line_break_is_printed_on_one_line(run):
    write("lines.csv", with_column("plan", ["ba\nsic", "pro"] * (ROWS // 2)))
    out = run("train", "lines.csv", "--epochs", "1", "--hidden", "8", "--no-pictures", "--out", "run")
    assert r"2: 'ba\nsic', pro" in out and r"2: 'ba\nsic', pro" in run("info", "run")


def test_a_mistake_in_a_table_of_numbers_is_still_found_by_its_line(capsys):
    write("numbers.csv", [["a", "b"], *([str(k), "12 kg" if k == 30 else "1.5"] for k in range(60))])
    assert main(["train", "numbers.csv", *QUICK]) == 2
    assert "numbers.csv, line 32, column 2 ('b'): '12 kg' is not a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["a", "b"], *([str(k), "x" if k == 30 else "1.5"] for k in range(60))],
         "'x' is not a number; write NA if it is missing, leave the column out, or add --kinds NAME=category"),
        ([*TABLE[:9], TABLE[9][1:], *TABLE[10:]], "odd.csv, line 10: 7 cells, and 8 in the first row"),
        ([["", *TABLE[0][1:]], *TABLE[1:]], "line 2, column 1: '' does not count the rows, and the column has no name"),
        ([["a", "b"], *(["cat", f"1,{k:03}"] for k in range(60))],
         "odd.csv, line 2, column 'b': the comma in '1,000' may mark decimals or thousands; write decimal points"),
        ([["a", "b"], *([f"name {k}", "1.5"] for k in range(60))],
         "column 'a' holds 60 different texts in 60 rows, such as 'name 0'; expected categories: leave it out"),
        ([["id", "name", "email"], *([str(k / 3), f"name {k}", f"{k}@b.c"] for k in range(60))],
         "odd.csv: columns 'name', 'email' hold too many different texts; expected categories: leave them out, or add "
         "--kinds name=category"),
        ([["a", "b"], *(["ab"[k % 2], f"$1,{k:03}.50"] for k in range(60))],
         "odd.csv: column 'b' holds '$1,000.50' in row 1: write it as a plain number, such as 1000.50, or leave"),
        ([["a", "b"], *(["ab"[k % 2], "31.12.2023"[k % 2:]] for k in range(60))],
         "odd.csv: column 'b' holds '31.12.2023' in row 1: write dates as 2024-12-31, or leave the column out"),
        ([["a", "b"], *(["ab"[k % 2], "0000-00-00" if k == 9 else f"2024-01-{1 + k % 31:02}"] for k in range(60))],
         "odd.csv: column 'b' holds '0000-00-00' in row 10; expected a date, such as 2024-12-31: correct it, write NA"),
        ([["a", "b"], *(["ab"[k % 2], f"{k:05}"] for k in range(60))],
         "odd.csv: column 'b' holds 60 different codes with leading zeros in 60 rows, such as '00000'; expected"),
        ([["a", "b"], *(["ab"[k % 2], "1 kg" if k == 9 else "1.5"] for k in range(60))],
         "odd.csv: column 'b' holds numbers, and '1 kg': write numbers without units; or add --kinds b=category"),
        ([["a", "a"], *(["x", "1.5"] for k in range(60))], "odd.csv has two columns named 'a'"),
        ([["a", "a b"], *(["ab"[k % 2], "x" if k == 9 else "1.5"] for k in range(60))], "add --kinds 'a b=category'"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused_by_the_reason(rows, words, capsys):
    write("odd.csv", rows)
    assert main(["train", "odd.csv", *QUICK]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and len(err) <= 201
    assert not Path("runs").exists()


def test_a_resumed_training_gives_the_same_bits_and_the_same_schema(train):
    train("--schedule", "constant", "--checkpoint", out="a")
    resumed = train("--schedule", "constant", "--resume", "--epochs", "6", out="a")
    straight = train("--schedule", "constant", "--epochs", "6", out="b")
    assert np.array_equal(resumed.theta, straight.theta)
    assert resumed.metadata["table_schema"] == straight.metadata["table_schema"]


def test_a_config_trains_the_same_model_again(run, train):
    first = train("--kinds", "visits=number")
    run("train", "--config", "run", "--out", "again", "--quiet")
    again = sv.load("again")
    assert np.array_equal(first.theta, again.theta) and schema_of(again) == schema_of(first)


@pytest.mark.parametrize("model", ["conditional", "semi-supervised"])
def test_the_column_named_label_has_classes(run, train, model):
    labels = ["tall" if row[0].startswith("dog") else "small" for row in TABLE[1:]]
    rows = with_column("label", labels)
    write("labelled.csv", [row for row in rows if not any(map(is_missing, row))])
    trained = train("--model", model, source="labelled.csv")
    assert trained.schema.classes == ("small", "tall")
    assert [column.name for column in schema_of(trained).columns] == list(KINDS)
    run("sample", "run", "--label", "tall", "--count", "4", "--out", "tall.csv")
    assert read("tall.csv")[0] == [*KINDS, "label"] and {row[-1] for row in read("tall.csv")[1:]} == {"tall"}
    run("embed", "run", "labelled.csv", "--out", "codes.csv")
    assert [row[-1] for row in read("codes.csv")] == [row[-1] for row in read("labelled.csv")]
    if model == "semi-supervised":
        assert "rows per class" in run("classify", "run")


def test_kinds_make_a_column_of_the_labels(train, run):
    write("labelled.csv", with_column("label", ["tall" if k % 2 else "small" for k in range(ROWS)]))
    model = train("--kinds", "label=category", source="labelled.csv")
    assert schema_of(model).columns[-1].name == "label"
    run("impute", "run")
    assert read("imputed.csv")[0] == [*KINDS, "label"]


# --- rows of another file


def test_columns_are_found_by_name_in_any_order(run, train):
    train()
    order = [5, 0, 7, 2, 6, 1, 3, 4]
    write("other.tsv", [[row[k] for k in order] for row in TABLE], "\t")
    run("embed", "run", "--out", "a.npy")
    run("embed", "run", "other.tsv", "--out", "b.npy")
    assert np.array_equal(np.load("a.npy"), np.load("b.npy")) and len(np.load("a.npy")) == ROWS


def test_embed_score_and_evaluate_read_the_rows_by_the_schema(run, train):
    model = train()
    rows = schema_of(model).encode("pets.csv")
    run("embed", "run", "pets.csv", "--out", "codes.npy")
    assert np.array_equal(np.load("codes.npy"), model.embed(rows))
    run("score", "run", "pets.csv", "--samples", "4", "--out", "scores.npy")
    assert np.array_equal(np.load("scores.npy"), model.anomaly_score(rows, samples=4))
    result = json.loads(run("evaluate", "run", "pets.csv", "--part", "all", "--json"))
    assert result["rows"] == ROWS and result["value"] == pytest.approx(sv.training.score(model, rows).value)


CHANGED = {
    "unknown category": ("kind", "yak", "bad.csv: column 'kind' holds 'yak' in row 7, a category that the model does"),
    "negative count": ("visits", "-1", "bad.csv: column 'visits' holds '-1' in row 7; expected counts"),
    "half a count": ("visits", "0.5", "bad.csv: column 'visits' holds '0.5' in row 7; expected counts"),
    "text for a number": ("weight", "heavy", "bad.csv: column 'weight' holds 'heavy' in row 7; expected a number"),
    "no date": ("born", "soon", "bad.csv: column 'born' holds 'soon' in row 7; expected a date"),
    "no boolean": ("tame", "2", "bad.csv: column 'tame' holds '2' in row 7; expected 0 and 1, or true and false"),
    "another constant": ("home", "there", "bad.csv: column 'home' holds 'there' in row 7; expected here"),
}


@pytest.mark.parametrize("problem", CHANGED)
@pytest.mark.parametrize("command", ["embed", "score", "evaluate", "impute", "reconstruct", "traverse"])
def test_a_cell_that_does_not_fit_is_refused_by_file_column_and_row(train, capsys, problem, command):
    name, cell, words = CHANGED[problem]
    train()
    rows = [list(row) for row in TABLE]
    rows[7][list(KINDS).index(name)] = cell
    write("bad.csv", rows)
    before = sorted(Path().rglob("*"))
    assert main([command, "run", "bad.csv"]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and len(err) <= 201
    assert "schema" not in err
    assert sorted(Path().rglob("*")) == before


def test_missing_and_further_columns_are_refused_by_name(train, capsys):
    train()
    write("fewer.csv", [row[1:] for row in TABLE])
    assert main(["embed", "run", "fewer.csv"]) == 2
    assert "fewer.csv lacks the column kind; add what is missing" in capsys.readouterr().err
    write("more.csv", with_column("age", range(ROWS)))
    assert main(["embed", "run", "more.csv"]) == 2
    assert "more.csv has age, which the model does not know; leave it out" in capsys.readouterr().err
    write("more.csv", with_column("id", range(ROWS), with_column("age", range(ROWS))))
    assert main(["embed", "run", "more.csv"]) == 2
    assert "more.csv has age, id, which the model does not know; leave them out" in capsys.readouterr().err


def test_missing_cells_are_refused_by_a_model_that_saw_none(train, capsys):
    write("whole.csv", [row for row in TABLE if not any(map(is_missing, row))])
    train(source="whole.csv")
    assert main(["embed", "run", "pets.csv"]) == 2
    assert "pets.csv has missing values (NaN) in 24 rows, and run was not" in capsys.readouterr().err
    assert main(["impute", "run", "pets.csv", "--samples", "8"]) == 0


# --- tables that are written


@pytest.mark.parametrize("command", ["sample", "reconstruct", "interpolate", "traverse"])
def test_rows_are_written_as_a_table_of_the_same_columns_and_values(run, train, command):
    train()
    run(command, "run", *(("--count", "20") if command in ("sample", "reconstruct") else ()), "--out", "rows.csv")
    names, *rows = read("rows.csv")
    assert names == list(KINDS) and len(rows) >= 12
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    assert set(columns["kind"]) <= {"#cat", 'dog, "large"'} and set(columns["tame"]) <= {"True", "False"}
    assert set(columns["home"]) == {"here"} and all(count.isdecimal() for count in columns["visits"])
    assert all(len(weight.partition(".")[2]) <= 1 for weight in columns["weight"])
    assert all(np.datetime64(day).dtype == "M8[D]" for day in columns["born"])
    assert all(np.datetime64(moment).dtype == "M8[m]" for moment in columns["seen"])
    TableSchema.infer("pets.csv").encode("rows.csv")


def test_a_sampled_table_has_the_same_kinds(run, train):
    train("--epochs", "40")
    run("sample", "run", "--count", "400")
    assert kinds_of("samples.csv") == KINDS == kinds_of("pets.csv")
    run("train", "samples.csv", *QUICK, "--out", "again")


def test_samples_are_drawn_unless_their_mean_is_asked_for(run, train):
    model = train()
    for values in ("drawn", "mean"):
        run("sample", "run", "--count", "30", "--values", values, "--out", f"{values}.csv")
        rows = schema_of(model).encode(f"{values}.csv")
        np.testing.assert_allclose(rows[:, 1], model.sample(30, values=values)[:, 1], atol=5e-3)  # of a date
    run("sample", "run", "--count", "30", "--out", "default.csv")
    assert read("default.csv") == read("drawn.csv") != read("mean.csv")


def test_impute_fills_in_the_missing_cells_and_leaves_the_others_as_they_are_in_the_file(run, train):
    model = train()
    out = run("impute", "run", "--samples", "20")
    assert "120 rows: 24 missing cells in 24 rows, imputed by metropolis\nwrote imputed.csv\n" in out
    filled = read("imputed.csv")
    for before, after in zip(TABLE, filled, strict=True):
        assert len(before) == len(after) and not any(map(is_missing, after))
        assert [b for b in before if not is_missing(b)] == [
            a for a, b in zip(after, before, strict=True) if not is_missing(b)
        ]
    schema = schema_of(model)
    expected = schema.decode(model.impute(schema.encode("pets.csv"), samples=20))
    for k, name in enumerate(KINDS):
        for row in range(ROWS):
            if is_missing(TABLE[row + 1][k]) and name in ("kind", "group, of three", "visits", "born"):
                assert filled[row + 1][k] == str(expected[name][row])


def test_impute_reads_the_rows_of_a_part_and_the_first_of_them(run, train):
    train()
    run("impute", "run", "--part", "test", "--samples", "4")
    mask = sv.datasets.dataset.held_out_rows(ROWS, None, 0)
    test = [row for row, chosen in zip(TABLE[1:], mask, strict=True) if chosen]
    for before, after in zip(test, read("imputed.csv")[1:], strict=True):
        assert all(a == b for a, b in zip(after, before, strict=True) if not is_missing(b))
    run("impute", "run", "--part", "train", "--count", "5", "--samples", "4")
    assert len(read("imputed.csv")) == 6


def test_several_imputations_are_numbered(run, train):
    train()
    run("impute", "run", "--draws", "3", "--samples", "8")
    names, *rows = read("imputed.csv")
    assert names == ["draw", *KINDS] and [row[0] for row in rows] == [str(k) for k in (1, 2, 3) for _ in range(ROWS)]
    first, second = rows[:ROWS], rows[ROWS : 2 * ROWS]
    different = [k for k in range(ROWS) if first[k][1:] != second[k][1:]]
    assert different and all(any(map(is_missing, TABLE[k + 1])) for k in different)


def test_the_column_of_these_numbers_must_be_new(train, capsys):
    write("draws.csv", with_column("draw", range(ROWS)))
    train(source="draws.csv")
    assert main(["impute", "run", "--draws", "3"]) == 2
    assert "--draws numbers the tables in a column 'draw', and the table has one: rename it" in capsys.readouterr().err


def test_a_mask_hides_cells(run, train):
    train()
    mask = np.ones((ROWS, len(KINDS)), bool)
    mask[3, 0] = mask[4, 7] = False
    np.save("mask.npy", mask)
    assert "26 missing cells in 26 rows" in run("impute", "run", "--mask", "mask.npy", "--samples", "4")


def test_a_test_hides_whole_cells_and_prints_the_error_of_each_column(run, train):
    train("--epochs", "60", "--lr", "0.01")
    out = run("impute", "run", "--part", "all", "--count", "120", "--hide-fraction", "0.2", "--samples", "40")
    assert "hidden cells and 24 missing cells" in out
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines()[1:-1]}
    assert list(lines) == ["column", *(name for name, kind in KINDS.items() if kind != "constant")]
    assert float(lines["kind"][-6]) < float(lines["kind"][-3]) and lines["kind"][-2:] == ["%", "wrong"]
    assert float(lines["weight"][-2]) < 5 < float(lines["weight"][-1])  # the kinds are 15 apart
    assert lines["born"][-1] == "days"


def test_a_decimal_comma_is_written_as_a_point(run, train):
    rows = [[cell.replace(".", ",") if k == 1 else cell for k, cell in enumerate(row)] for row in TABLE]
    write("commas.csv", rows, ";")
    train(source="commas.csv")
    run("impute", "run", "--samples", "4")
    for before, after in zip(TABLE, read("imputed.csv"), strict=True):
        assert all(a == b for a, b in zip(after, before, strict=True) if not is_missing(b))


def test_a_picture_shows_the_numbers_of_the_rows(run, train):
    pytest.importorskip("matplotlib")
    train()
    run("sample", "run", "--out", "samples.png")
    run("impute", "run", "--samples", "4", "--picture", "imputed.png")
    assert Path("samples.png").exists() and Path("imputed.png").exists()


# --- other commands


def test_info_shows_the_columns_and_their_kinds(run, train):
    model = train()
    out = run("info", "run")
    assert 'column: kind                 category, 2: #cat, dog, "large"\n' in out
    assert "column: visits               count, 0, 1, 2, …\n" in out and "{" not in out
    content = json.loads(run("info", "run", "--json"))
    assert content["table_schema"] == json.loads(schema_of(model).to_json())
    assert "table_schema" not in content["metadata"]


def test_the_encoder_is_exported_with_a_note_on_its_rows(run, train):
    train()
    out = run("export", "run", "--format", "numpy", "--out", "pets_encoder.py")
    assert "x are 11 numbers a row, those of sv.tables.TableSchema.encode" in out


def test_a_model_of_an_estimator_is_used_with_a_file_of_its_table(run):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv("pets.csv", na_values="?", parse_dates=["born", "seen"])
    frame["visits"] = frame["visits"].astype("Int64")
    imputer = sv.VAEImputer(max_iter=2).fit(frame)
    sv.save(imputer.vae_, "imputer.npz")
    run("impute", "imputer.npz", "pets.csv", "--samples", "8")
    for before, after in zip(TABLE, read("imputed.csv"), strict=True):
        assert all(a == b for a, b in zip(after, before, strict=True) if not is_missing(b))
    run("sample", "imputer.npz", "--count", "5")
    imputer.schema_.encode("samples.csv")


# --- tables of others

TABLES = os.environ.get("SCRATCHVAE_DATA")


@pytest.mark.skipif(TABLES is None, reason="SCRATCHVAE_DATA names no folder")
@pytest.mark.parametrize("name", ["penguins", "diamonds"])
def test_a_table_of_others(run, train, name):
    path = Path(str(TABLES)) / "tables" / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    model = train("--epochs", "1", source=str(path))
    kinds = {column.kind for column in schema_of(model).columns}
    assert kinds == {"category", "number"}
    run("sample", "run", "--count", "300")
    sampled = kinds_of("samples.csv")
    assert {n: k for n, k in sampled.items() if k == "category"} == {
        n: k for n, k in kinds_of(path).items() if k == "category"
    }
    run("impute", "run", "--count", "300", "--samples", "8")
    before, after = read(path)[:301], read("imputed.csv")
    changed = [(a, b) for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True) if a != b]
    assert {a for a, _ in changed} == ({"NA"} if name == "penguins" else set())
    assert "NA" not in {b for _, b in changed}
