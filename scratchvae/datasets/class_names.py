"""Names of classes, and their numbers."""

from __future__ import annotations

import re
from array import array
from math import isfinite

import numpy as np

from scratchvae.datasets.cells import quote
from scratchvae.datasets.dataset import UNLABELLED
from scratchvae.disk import Array
from scratchvae.errors import DataError

MOST_CLASSES = 1 << 16
MOST_FRACTIONS = 32  # classes, if some are numbers such as 0.5

_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d*))(?:\.0*|,0)?", re.ASCII)


class ClassReader:
    """Collects the class of each row from the texts of a label column. Every text is a class; "" is no label."""

    def __init__(self, name: str) -> None:
        self.name = name  # of the file, for messages
        self._texts: dict[str, int] = {}  # numbered in the order of their first occurrence
        self._indices = array("q")

    def add(self, text: str) -> None:
        """Add the label of a row. Raises DataError if there are too many classes."""
        text = text.strip()
        self._indices.append(self._texts.setdefault(text, len(self._texts)) if text else UNLABELLED)
        if len(self._texts) > MOST_CLASSES:
            raise DataError(
                f"{self.name} has more than {MOST_CLASSES} different labels; expected classes: rename the column if it "
                "has none"
            )

    def result(self) -> tuple[Array, tuple[str, ...]]:
        """The class of each row (N,), from 0, and the names of the classes: see `sort_classes`.

        If all labels are whole numbers, 1.0 is named 1. Raises DataError for many numbers that are not whole: they are
        measurements, and no classes.
        """
        names = list(self._texts)
        whole = [_WHOLE.fullmatch(name) for name in names]
        if all(whole):
            names = [match[1] for match in whole if match]
        elif len(set(names)) > MOST_FRACTIONS and (numbers := _as_numbers(names)) is not None:
            fraction = next((k for k, number in enumerate(numbers) if not number.is_integer()), None)
            if fraction is not None:
                raise DataError(
                    f"{self.name} has more than {MOST_FRACTIONS} labels such as {quote(names[fraction])}; expected "
                    "whole numbers, or names: rename the column if it holds no classes"
                )
        classes = sort_classes(names)
        number = {name: k for k, name in enumerate(classes)}
        # The last place is for the index UNLABELLED, which is -1.
        class_of_text = np.array([*(number[name] for name in names), UNLABELLED], np.int64)
        labels: Array = class_of_text[np.frombuffer(self._indices, np.int64)]
        return labels, classes


def sort_classes(names: list[str]) -> tuple[str, ...]:
    """The distinct names in order: by value if all are numbers; otherwise a2 before a10, without regard to case."""
    distinct = sorted(set(names), key=lambda name: (_natural_key(name), name))
    numbers = _as_numbers(distinct)
    if numbers is None:
        return tuple(distinct)
    return tuple(distinct[k] for k in sorted(range(len(distinct)), key=numbers.__getitem__))


def _as_numbers(names: list[str]) -> list[float] | None:
    """The values of the names; None unless all are finite numbers."""
    try:
        numbers = [float(name.replace(",", ".")) for name in names if "_" not in name]
    except ValueError:
        return None
    return numbers if len(numbers) == len(names) and all(map(isfinite, numbers)) else None


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Texts and digits in turn; digits are compared by their number first, which orders whole numbers by value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    for k in range(1, len(parts), 2):
        parts[k] = parts[k].lstrip("0")
    return [(len(part) if k % 2 else 0, part) for k, part in enumerate(parts)]
