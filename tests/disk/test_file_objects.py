"""Open binary file objects: read from their position, written whole, never closed."""

import io
import tempfile
from pathlib import Path

import pytest

from scratchvae.disk import file_objects
from scratchvae.disk.file_objects import is_file_object, open_at_position, write_to_object
from scratchvae.errors import ConfigError, FileError

CONTENT = bytes(range(256)) * 20


class Slow(io.RawIOBase):
    """An unbuffered file that reads and writes a few bytes at a time."""

    def __init__(self, content=b""):
        self.content, self.position = bytearray(content), 0

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        chunk = self.content[self.position : self.position + min(7, len(buffer))]
        buffer[: len(chunk)] = chunk
        self.position += len(chunk)
        return len(chunk)

    def write(self, chunk):
        self.content += chunk[:7]
        return min(7, len(chunk))


class Collector:
    """An object that has no more than write, which returns nothing."""

    def __init__(self):
        self.content = b""

    def write(self, chunk):
        self.content += chunk


def test_paths_and_classes_are_no_file_objects(tmp_path):
    for value in ("a.npz", tmp_path, io.BytesIO, None, 3, b"a.npz", ["a.npz"]):
        assert not is_file_object(value)
    assert is_file_object(io.BytesIO()) and is_file_object(Collector())


def test_a_file_at_its_beginning_is_read_in_place_and_others_into_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        assert open_at_position(file) is file
        file.seek(10)
        copied = open_at_position(file)
        assert copied is not file and copied.read() == CONTENT[10:] and not file.closed
    slow = open_at_position(Slow(CONTENT))
    assert slow.seekable() and slow.tell() == 0 and slow.read() == CONTENT


def test_all_bytes_are_written_to_any_kind_of_object(tmp_path):
    slow, collector, buffer = Slow(), Collector(), io.BytesIO(b"head")
    buffer.seek(4)
    for file in (slow, collector, buffer):
        write_to_object(file, memoryview(CONTENT))
    assert slow.content == collector.content == CONTENT and buffer.getvalue() == b"head" + CONTENT
    with (tmp_path / "file").open("wb") as file:
        write_to_object(file, memoryview(CONTENT))
        assert (tmp_path / "file").read_bytes() == CONTENT  # it is flushed
        assert not file.closed


def test_an_endless_stream_is_refused_before_it_fills_the_memory(monkeypatch):
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            return len(buffer)

    monkeypatch.setattr(file_objects, "MAX_BYTES", 2**21)
    with pytest.raises(FileError, match="more than 2,097,152 bytes"):
        open_at_position(Endless())


def test_what_cannot_be_read_or_written_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as readable, path.open("r+b") as both, path.open(encoding="latin-1") as text:
        with pytest.raises(ConfigError, match="not open for writing; pass a file that was opened with mode 'wb'"):
            write_to_object(readable, memoryview(b"x"))
        with pytest.raises(ConfigError, match="is open in text mode; pass a binary file, opened with mode 'rb'"):
            open_at_position(text)
        both.seek(0, 2)
        with pytest.raises(FileError, match=r"call seek\(0\) before"):
            open_at_position(both)
    with path.open("ab") as writable, pytest.raises(ConfigError, match="not open for reading"):
        open_at_position(writable)
    with tempfile.TemporaryFile("w+") as text, pytest.raises(ConfigError, match="text mode"):
        write_to_object(text, memoryview(b"x"))
    with pytest.raises(ConfigError, match="is closed; keep it open"):
        open_at_position(readable)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported():
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(FileError, match="cannot write to /dev/full"),
    ):
        write_to_object(full, memoryview(CONTENT))


def test_a_writer_or_reader_of_text_that_does_not_say_so_is_refused():
    class Text:
        def write(self, chunk):
            return "".join(["", chunk])

        def read(self, count):
            return "text"

    with pytest.raises(ConfigError, match="takes no bytes; pass a binary file"):
        write_to_object(Text(), memoryview(b"x"))
    with pytest.raises(ConfigError, match="returns text; pass a binary file"):
        open_at_position(Text())
