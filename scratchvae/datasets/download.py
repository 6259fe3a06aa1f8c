"""Fetching a gzipped file so that it is either there, whole and right, or not there."""

from __future__ import annotations

import gzip
import hashlib
import sys
import time
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from scratchvae.disk import atomic_write
from scratchvae.errors import DataError


def download(
    urls: Sequence[str],
    to: Path,
    sha256: str,
    *,
    largest: int = 1 << 26,
    rounds: int = 3,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> None:
    """Fetch a gzipped file from the first of `urls` that gives it, to `to`.

    sha256    of the content once it is uncompressed
    largest   bytes of that content: no more is unpacked, and of an answer little more is written to the disk
    rounds    how often all of the urls are tried, waiting `pause` seconds after the first round, twice that after the
              second, and so on; a server has `timeout` seconds to say something

    The file takes its name only when it is whole and its digest is right. Raises DataError, or FileError where its
    folder cannot be written.
    """
    from http.client import HTTPException  # slow to import

    reasons: dict[str, None] = {}
    with atomic_write(to) as file:
        for attempt in range(rounds):
            for url in urls:
                try:
                    _fetch(url, file, to.name, timeout, largest + largest // 1000 + 1024)  # where nothing is won
                    _check(file, sha256, largest)
                except (OSError, HTTPException, EOFError, ValueError, zlib.error) as error:
                    reasons[f"{url}: {str(error) or type(error).__name__}"] = None
                else:
                    return
            if attempt + 1 < rounds:
                time.sleep(pause * 2**attempt)
        raise DataError(
            f"could not download {to.name} ({'; '.join(reasons)}); put it into {to.parent} by hand, or set "
            "SCRATCHVAE_DATA to a folder that has it"
        )


def _fetch(url: str, file: BinaryIO, label: str, timeout: float, most: int) -> None:
    from urllib.request import urlopen

    file.seek(0)
    file.truncate()
    with urlopen(url, timeout=timeout) as answer:
        promised = int(answer.headers.get("Content-Length") or 0)
        if promised > most:
            raise OSError(f"the answer is of {promised} bytes, expected no more than {most}: it is another file")
        with _progress_bar(label, promised) as bar:
            while block := answer.read(1 << 16):
                if file.tell() + len(block) > most:
                    raise OSError(f"the answer goes on after {most} bytes: it is another file")
                file.write(block)
                if bar is not None:
                    bar.update(len(block))
    if promised and file.tell() != promised:
        raise OSError(f"the answer broke off after {file.tell()} of {promised} bytes")
    file.flush()


def _check(file: BinaryIO, sha256: str, largest: int) -> None:
    file.seek(0)
    digest = hashlib.sha256()
    with gzip.open(file) as content:
        while block := content.read(1 << 20):
            digest.update(block)
            if content.tell() > largest:
                raise OSError(f"the content goes on after {largest} bytes: it is another file")
    if digest.hexdigest() != sha256:
        raise OSError(f"the content has SHA-256 {digest.hexdigest()[:8]}…, expected {sha256[:8]}…")


def _progress_bar(label: str, total: int) -> Any:
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            return nullcontext()
        return tqdm(total=total or None, unit="B", unit_scale=True, desc=label)
    return nullcontext()
