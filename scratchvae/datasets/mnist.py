"""MNIST and Fashion-MNIST, from a folder or by download."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scratchvae.datasets.dataset import Dataset
from scratchvae.datasets.download import download
from scratchvae.datasets.idx import FILES, find_idx, holds_idx, load_idx_folder
from scratchvae.datasets.search_paths import Folder, search_paths
from scratchvae.disk import cache_folder
from scratchvae.errors import DataError


class DownloadSource(NamedTuple):
    """URLs of folders with the four gzipped files, and the SHA-256 of each file's uncompressed content."""

    mirrors: tuple[str, ...]
    sha256: tuple[str, ...]


SIZES = (47_040_016, 60_008, 7_840_016, 10_008)  # bytes of each of the four files, uncompressed
SETS = {
    "mnist": DownloadSource(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion-mnist": DownloadSource(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def load_named_idx(name: str, folder: Folder = None) -> Dataset:
    """60,000 training and 10,000 test images of 28×28 pixels in [0, 1], with labels 0 to 9.

    mnist          handwritten digits. LeCun, Bottou, Bengio, Haffner 1998
    fashion-mnist  clothes. Xiao, Rasul, Vollgraf 2017; MIT licence

    The four idx files, plain or gzipped, are searched in `folder` or, if that is None, in $SCRATCHVAE_DATA and in the
    cache folder; in each of them also in a subfolder with the name of the data set. If they are not found and `folder`
    is None, they are downloaded into the cache. Raises DataError.
    """
    for directory in search_paths(folder):
        found = _find_folder(directory, name)
        if found:
            return load_idx_folder(found, name)
    if folder is not None:
        raise DataError(f"{folder} does not hold {name}: expected {', '.join(FILES)} (plain, or with .gz)")
    cache = cache_folder()
    source = SETS[name]
    for file, sha256, size in zip(FILES, source.sha256, SIZES, strict=True):
        if not find_idx(cache / name, file):
            mirrors = [mirror + file + ".gz" for mirror in source.mirrors]
            download(mirrors, cache / name / f"{file}.gz", sha256, max_bytes=size)
    return load_idx_folder(cache / name, name)


def _find_folder(directory: Path, name: str) -> Path | None:
    return next((folder for folder in (directory / name, directory) if holds_idx(folder)), None)
