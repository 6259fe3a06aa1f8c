"""Encoding, comments and delimiters of tables."""

import pytest

from scratchvae.datasets.table_text import MAX_ROW_CHARACTERS, TableText, find_delimiter, open_table, read_cells
from scratchvae.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return write


def lines_of(path):
    """The lines as the reader of a table sees them, one row each, and their text."""
    with open_table(path) as file:
        text, lines = TableText(path, file), []
        for line in text:
            lines.append((text.number, line))
            text.start_row()
        return lines, text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_are_known_by_their_mark(write, encoding):
    assert lines_of(write("ä,b\n1,2\n", encoding=encoding))[0] == [(1, "ä,b\n"), (2, "1,2\n")]


@pytest.mark.parametrize(
    ("text", "lines", "separator", "comment"),
    [
        ("sep=;\na\n", [(2, "a\n")], ";", ""),
        ('"sep=,"\r\na', [(2, "a")], ",", ""),
        ("SEP=\t\na", [(2, "a")], "\t", ""),
        ("a\nsep=;\n", [(1, "a\n"), (2, "sep=;\n")], "", ""),
        ("# one\n#two\na\n# three\nb", [(3, "a\n"), (5, "b")], "", "# three\n"),
        ("#N/A,1\n#DIV/0!,2\n", [(1, "#N/A,1\n"), (2, "#DIV/0!,2\n")], "", ""),
        ('"#a",1\n', [(1, '"#a",1\n')], "", ""),
        ("a\r\r\nb\r\r\n", [(1, "a\r"), (3, "b\r")], "", ""),
        ("a\r\rb\r", [(1, "a\r"), (2, "\r"), (3, "b\r")], "", ""),
        ("a\r\n\r\nb", [(1, "a\r\n"), (2, "\r\n"), (3, "b")], "", ""),
    ],
)  # fmt: skip
def test_comments_and_separator_lines_are_left_out(write, text, lines, separator, comment):
    found, table = lines_of(write(text))
    assert (found, table.separator, table.comment) == (lines, separator, comment)


def test_a_line_inside_a_row_is_no_comment(write):
    path = write('"a\n# b"\n# c\n')
    with open_table(path) as file:
        text = TableText(path, file)
        assert list(text) == ['"a\n', '# b"\n', "# c\n"]


@pytest.mark.parametrize("line", ["sep=", "sep=;;", "sep=a", 'sep="'])
def test_other_separator_lines_are_refused(write, line):
    with pytest.raises(DataError, match=r"table.csv, line 1: .*sep=.* no separator"):
        lines_of(write(line + "\n1;2\n"))


def test_a_label_that_begins_like_a_comment_is_refused(write):
    path = write("label,a\n#1,2\n")
    with open_table(path) as file:
        text = TableText(path, file)
        text.begins_with_label = True
        with pytest.raises(DataError, match=r"line 2 begins with #.*quotation marks"):
            for _ in text:
                text.start_row()


def test_only_rows_are_limited_in_length(write):
    comment = "#" + "x" * (MAX_ROW_CHARACTERS - 2) + "\n"
    assert lines_of(write(comment + comment + "a\n"))[0] == [(3, "a\n")]
    with pytest.raises(DataError, match="a row of more than"):
        lines_of(write("x" * (MAX_ROW_CHARACTERS + 1)))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2", ","), ("a;b\n1;2", ";"), ("a\tb\n1\t2", "\t"), ("1,2,3\n4,5,6", ","), ("a;b\n1,5;2,5", ";"),
        ("1,5;2,25", ";"), ("1,5;2\n1;2,5", ";"), ("1;2,3;4\n5;6,7;8", ";"), ("1,5\t2,25", "\t"),
        ("length, cm;width, cm\n1,5;2,5", ";"), ('"a;b;c","d"\n1,2', ","), ('"a\nb;;;","d"\n1,2', ","),
        ("a,b,c\n1,2", ","), ("h\n1,5", ","), ("h\n1.5", ","), ("", ","), ("\n\n", ","), ("a;b;label\n1,5;2,5;x", ";"),
        ("# x;y;z;w\na,b\n1,2", ","), ("sep=|\na|b", "|"), ("a;b\n1,234;2", ";"),
        ("a;b\nNA;True", ";"), ("a, b;c, d\n1;2", ";"),
    ],
)  # fmt: skip
def test_the_delimiter_fits_the_first_two_rows(write, text, delimiter):
    path = write(text)
    with open_table(path) as file:
        assert find_delimiter(path, file) == delimiter


def test_a_tsv_file_has_tabs(write):
    for text in ("a\tb\n1,5\t2", "a\n1", "a b\n", '"a, b"\n1'):
        path = write(text, "table.tsv")
        with open_table(path) as file:
            assert find_delimiter(path, file) == "\t"
    for text in ("a,b\n1,2", "1;2", "\n# x\n1,5"):
        path = write(text, "table.tsv")
        with open_table(path) as file, pytest.raises(DataError, match=r"table.tsv, line \d: .* has no tab; .*\.csv"):
            find_delimiter(path, file)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv"])
@pytest.mark.parametrize("text", ["a|b\n1|x\n", "a|b|c\n1,5|2|3", "# n\n\na|b\n1|2"])
def test_a_file_with_pipes_between_cells_is_refused(write, name, text):
    path = write(text, name)
    words = r"line \d: 'a.*' has \| between cells, which is no separator; save it with commas, semicolons or tabs"
    with open_table(path) as file, pytest.raises(DataError, match=words):
        find_delimiter(path, file)


@pytest.mark.parametrize("text", ["genre\nAction|Comedy", "a|b,c,d\nx|y,2,3", "a|b\n1\n", "a\nx|y"])
def test_pipes_inside_cells_are_read(write, text):
    path = write(text)
    with open_table(path) as file:
        assert find_delimiter(path, file) == ","


def test_cells_of_a_line_have_no_spaces_around_them():
    assert read_cells('a, "b, c" ,d \n', ",") == ["a", "b, c", "d"]
    assert read_cells("", ",") == []
