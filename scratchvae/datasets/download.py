"""Download of gzipped files with a known checksum."""

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
    path: Path,
    sha256: str,
    *,
    max_bytes: int = 1 << 26,
    max_attempts: int = 3,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> None:
    """Download a gzipped file to `path`, from the first of `urls` that delivers it.

    sha256         digest of the uncompressed content
    max_bytes      of that content; it also limits what is downloaded
    max_attempts   how often all urls are tried, with a pause of `pause` seconds after the first time, twice that after
                   the second, and so on
    timeout        seconds to wait for a response of a server

    The file gets its name only after it is complete and verified. Raises DataError, or FileError if the file cannot be
    written.
    """
    from http.client import HTTPException  # slow to import

    reasons: dict[str, None] = {}
    max_gzip_bytes = max_bytes + max_bytes // 1000 + 1024  # of content that cannot be compressed
    with atomic_write(path) as file:
        for attempt in range(max_attempts):
            for url in urls:
                try:
                    _fetch(url, file, path.name, timeout, max_gzip_bytes)
                    _check(file, sha256, max_bytes)
                except (OSError, HTTPException, EOFError, ValueError, zlib.error) as error:
                    reasons[f"{url}: {str(error) or type(error).__name__}"] = None
                else:
                    return
            if attempt + 1 < max_attempts:
                time.sleep(pause * 2**attempt)
        raise DataError(
            f"could not download {path.name} ({'; '.join(reasons)}); put it into {path.parent} by hand, or set "
            "SCRATCHVAE_DATA to a folder that has it"
        )


def _fetch(url: str, file: BinaryIO, label: str, timeout: float, max_bytes: int) -> None:
    from urllib.request import urlopen

    file.seek(0)
    file.truncate()
    with urlopen(url, timeout=timeout) as response:
        size = int(response.headers.get("Content-Length") or 0)
        if size > max_bytes:
            raise OSError(f"the response has {size} bytes, expected at most {max_bytes}: it is another file")
        with _progress_bar(label, size) as bar:
            while block := response.read(1 << 16):
                if file.tell() + len(block) > max_bytes:
                    raise OSError(f"the response has more than {max_bytes} bytes: it is another file")
                file.write(block)
                if bar is not None:
                    bar.update(len(block))
    if size and file.tell() != size:
        raise OSError(f"the response ended after {file.tell()} of {size} bytes")
    file.flush()


def _check(file: BinaryIO, sha256: str, max_bytes: int) -> None:
    file.seek(0)
    digest = hashlib.sha256()
    with gzip.open(file) as content:
        while block := content.read(1 << 20):
            digest.update(block)
            if content.tell() > max_bytes:
                raise OSError(f"the content has more than {max_bytes} bytes: it is another file")
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
