"""Labels as texts, their names and numbers."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchvae.datasets import class_names
from scratchvae.datasets.class_names import ClassReader, sort_classes
from scratchvae.errors import DataError


def read(texts):
    reader = ClassReader("table.csv")
    for text in texts:
        reader.add(text)
    labels, classes = reader.result()
    return labels.tolist(), classes


@pytest.mark.parametrize(
    ("texts", "labels", "classes"),
    [
        (["-1", "0", "1", "-1"], [0, 1, 2, 0], ("-1", "0", "1")),
        (["1", "-1"], [1, 0], ("-1", "1")),
        (["3", "1", "2"], [2, 0, 1], ("1", "2", "3")),
        (["10", "9", "100"], [1, 0, 2], ("9", "10", "100")),
        (["1234", "01234"], [1, 0], ("01234", "1234")),
        (["2020", "1999", ""], [1, 0, -1], ("1999", "2020")),
        (["1e9", "5"], [1, 0], ("5", "1e9")),
        (["2.0", "", "1.0"], [1, -1, 0], ("1", "2")),
        (["2.0", "1", "1.0", "2."], [1, 0, 0, 1], ("1", "2")),
        (["1,0", "2,0"], [0, 1], ("1", "2")),
        (["1,000", "2"], [0, 1], ("1,000", "2")),
        (["01.0", "1.0"], [0, 1], ("01.0", "1.0")),
        (["0.5", "1.0", "1.0"], [0, 1, 1], ("0.5", "1.0")),
        (["Na", "NA", "nan", "None", "", " "], [1, 0, 2, 3, -1, -1], ("NA", "Na", "nan", "None")),
        (["?", "-", "n/a", "."], [2, 0, 3, 1], ("-", ".", "?", "n/a")),
        ([" x ", "x", "X"], [1, 1, 0], ("X", "x")),
        (["a10", "a2", "A1", "b"], [2, 1, 0, 3], ("A1", "a2", "a10", "b")),
        (["10", "9", "other"], [1, 0, 2], ("9", "10", "other")),
        (["True", "False"], [1, 0], ("False", "True")),
        (["inf", "2", "1"], [2, 1, 0], ("1", "2", "inf")),
        (["1_0", "2"], [0, 1], ("1_0", "2")),
        (["a b", "a  b"], [1, 0], ("a  b", "a b")),
        (["", ""], [-1, -1], ()),
        ([], [], ()),
    ],
)  # fmt: skip
def test_every_text_is_a_class_and_an_empty_one_is_no_label(texts, labels, classes):
    assert read(texts) == (labels, classes)


@given(st.lists(st.text(max_size=6) | st.integers(-20, 20).map(str), max_size=30))
def test_labels_number_the_names_and_rows_of_one_text_have_one_class(texts):
    labels, classes = read(texts)
    assert len(labels) == len(texts)
    assert len(set(classes)) == len(classes)
    named = [classes[label].strip() if label >= 0 else "" for label in labels]
    stripped = [text.strip() for text in texts]
    assert len(set(zip(named, stripped, strict=True))) == len(set(stripped))
    assert all((name == "") == (text == "") for name, text in zip(named, stripped, strict=True))
    if not any("." in text or "," in text for text in texts):
        assert named == stripped


@given(st.lists(st.integers(-(10**20), 10**20), max_size=30))
def test_whole_numbers_are_sorted_by_value(numbers):
    expected = tuple(str(number) for number in sorted(set(numbers), key=float))
    found = sort_classes([str(number) for number in numbers])
    assert [float(name) for name in found] == [float(name) for name in expected]
    assert set(found) == set(expected)


@given(st.lists(st.text(st.sampled_from("aB01-. é٣"), max_size=5), max_size=20), st.randoms())
def test_the_order_of_names_does_not_depend_on_the_order_of_rows(names, random: Random):
    shuffled = names.copy()
    random.shuffle(shuffled)
    assert sort_classes(names) == sort_classes(shuffled)


def test_large_whole_numbers_and_long_texts_stay_apart():
    digits = "9" * 5000
    assert read(["9007199254740993", "9007199254740992"])[0] == [1, 0]
    assert read([digits, "1"]) == ([1, 0], ("1", digits))
    assert read([digits + "a", "1a"])[0] == [1, 0]


def test_many_different_fractions_are_refused_as_measurements():
    few = [f"{k / 10}" for k in range(class_names.MOST_FRACTIONS)]
    labels, classes = read(few * 2)
    assert (labels, classes) == (2 * list(range(len(few))), tuple(few))
    with pytest.raises(DataError, match=r"table.csv has more than 32 labels such as '0.1'; .*rename the column"):
        read([*few, "7.25"])
    assert len(read([*few, "7.25", "a"])[1]) == 34
    assert len(read(map(str, range(100)))[1]) == 100


def test_too_many_classes_are_refused(monkeypatch):
    monkeypatch.setattr(class_names, "MOST_CLASSES", 11)
    assert len(read(map(str, [*range(11), 0]))[1]) == 11
    with pytest.raises(DataError, match=r"table\.csv has more than 11 different labels"):
        read(map(str, range(12)))


def test_labels_are_int64():
    reader = ClassReader("a")
    reader.add("x")
    assert reader.result()[0].dtype == np.int64
