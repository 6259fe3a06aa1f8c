"""Tables of the UCI Machine Learning Repository, used for measuring imputation."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from scratchvae.datasets.checksums import check_digest
from scratchvae.datasets.dataset import Dataset, Split, split_by_mask
from scratchvae.datasets.search_paths import Folder, find_file
from scratchvae.errors import DataError


class UCITable(NamedTuple):
    """The format of a table file.

    file          name of the file
    header_lines  number of header lines
    numbers       the columns of numbers
    columns       the names of these columns
    label         the column of classes, or None
    sha256        digest of the cells, joined by commas, with a line feed after each row, so that it does not depend on
                  the kind of line ends or on a byte-order mark
    """

    file: str
    header_lines: int
    numbers: slice
    columns: tuple[str, ...]
    label: int | None
    sha256: str


LARGEST = 1 << 20  # bytes of a file; the largest table has 264,426
WINE = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
    "quality",
)
CONCRETE = (
    "cement",
    "blast furnace slag",
    "fly ash",
    "water",
    "superplasticizer",
    "coarse aggregate",
    "fine aggregate",
    "age",
    "compressive strength",
)
TABLES = {
    "uci/concrete": UCITable(
        "concrete.txt",
        0,
        slice(None),
        CONCRETE,
        None,
        "7b01c3ee3a5f0ca435f868dec501f794679248c2451d1c3b544b9e8679226431",
    ),
    "uci/red-wine": UCITable(
        "wine_red.txt", 0, slice(None), WINE, None, "e1c1c56fb7ee0a537f040117589a5e9938bee610519546bb302f4d5b52d50d59"
    ),
    "uci/white-wine": UCITable(
        "winequality-white.csv",
        1,
        slice(None),
        WINE,
        None,
        "707fbd886465b7151282ee4e5eacfa601b0203eea165229dd56e74f8243d68db",
    ),
    "uci/banknote": UCITable(
        "data_banknote_authentication.txt",
        0,
        slice(-1),
        ("variance", "skewness", "kurtosis", "entropy"),
        -1,
        "50573e4d341c0c211668136a8b83b592b8dda436520785c3cc3d536fe407a157",
    ),
    "uci/yeast": UCITable(
        "yeast.data",
        1,
        slice(1, -1),
        ("mcg", "gvh", "alm", "mit", "erl", "pox", "vac", "nuc"),
        -1,
        "9e05d6ffade2900ebc71ad7ab25ffca17315b5add8eddb584bc38d6a9aa1156a",
    ),
}


def load_table(name: str, folder: Folder = None) -> Dataset:
    """A table of the UCI Machine Learning Repository: rows (N, D) of float64, unscaled. Every tenth row is for testing.

    uci/concrete     (1030, 9)   components, age and strength of concrete. I-C. Yeh 1998
    uci/red-wine     (1599, 12)  physicochemical properties and quality of red wines. P. Cortez et al. 2009
    uci/white-wine   (4898, 12)  the same of white wines
    uci/banknote     (1372, 4)   wavelet features of images of banknotes; label: genuine or not. V. Lohweg 2012
    uci/yeast        (1484, 8)   scores of proteins; label: location in the cell, 0 to 9. K. Nakai, P. Horton 1996

    The scales of the columns differ widely: standardize them by the mean and standard deviation of the training split.
    Labels number the classes in alphabetical order; `classes` and `columns` have the names. `find_file` describes where
    the files are searched, in a subfolder uci. Their contents are verified. Raises DataError.
    """
    table = TABLES[name]
    path = find_file("uci", table.file, folder)
    try:
        if path.stat().st_size > LARGEST:
            raise OSError(f"it has {path.stat().st_size} bytes; expected at most {LARGEST}")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); download it again") from None
    rows = [line for line in lines if line.strip() and not line.startswith("#")][table.header_lines :]
    cells = [re.split(r"[\s,;]+", row.strip()) for row in rows]
    check_digest(str(path), "".join(",".join(row) + "\n" for row in cells).encode(), table.sha256)
    numbers = np.array([row[table.numbers] for row in cells], np.float64)
    labels, classes = None, None
    if table.label is not None:
        names, labels = np.unique([row[table.label] for row in cells], return_inverse=True)
        classes = tuple(names.tolist())
    data = split_by_mask(name, Split(numbers, labels), np.arange(len(numbers)) % 10 == 9, None)
    return data._replace(columns=table.columns, classes=classes)
