"""Fetching files, against a server on the loopback."""

import gzip
import hashlib
import io
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import NamedTuple

import numpy as np
import pytest

from scratchvae.datasets import load, mnist
from scratchvae.datasets.download import download
from scratchvae.datasets.idx import FILES
from scratchvae.errors import DataError, FileError

CONTENT = np.random.default_rng(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT)


class Answer(NamedTuple):
    body: bytes = PACKED
    status: int = 200
    length: object = ...  # what the header promises: by default the truth, with None no such header
    stall: bool = False
    meet: threading.Barrier | None = None  # who else is to have asked before


class Server(ThreadingMixIn, HTTPServer):
    """Gives the answers that `script` lists for a path, one after the other, the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = {}
        self.asked = []
        self.ending = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        pass  # a client that gave up waiting


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.asked.append(path)
        answers = self.server.script.get(path, [Answer(b"", 404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.stall:
            self.server.ending.wait(5)
        if answer.meet:
            answer.meet.wait(60)
        self.send_response(answer.status)
        if answer.length is not None:
            self.send_header("Content-Length", len(answer.body) if answer.length is ... else answer.length)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join(5)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "data.gz"


@pytest.fixture
def pauses(monkeypatch):
    asked = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.mark.parametrize("length", [..., None], ids=["of known length", "of unknown length"])
@pytest.mark.parametrize("terminal", [False, True], ids=["in a pipe", "on a terminal"])
def test_the_file_is_kept_as_it_came_and_a_terminal_sees_its_name(server, target, monkeypatch, length, terminal):
    stderr = io.StringIO()
    stderr.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stderr)
    server.script["a"] = [Answer(length=length)]
    download([server.url("a")], target, SHA256, pause=0)
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]
    assert server.asked == ["a"]
    assert ("data.gz" in stderr.getvalue()) == terminal


def test_the_second_mirror_is_asked_when_the_first_has_nothing(server, target, pauses):
    server.script["b"] = [Answer()]
    download([server.url("a"), server.url("b")], target, SHA256)
    assert target.read_bytes() == PACKED
    assert server.asked == ["a", "b"]
    assert pauses == []


@pytest.mark.parametrize("bad", [Answer(PACKED[:-9], length=len(PACKED)), Answer(b"busy", 503), Answer(b"<html>")])
def test_a_bad_answer_is_asked_for_again_and_leaves_no_trace(server, target, bad):
    server.script["a"] = [bad, Answer()]
    download([server.url("a")], target, SHA256, pause=0)
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]


def test_the_pause_doubles_from_round_to_round(server, target, pauses):
    with pytest.raises(DataError, match="404"):
        download([server.url("a"), server.url("b")], target, SHA256, rounds=4, pause=0.5)
    assert pauses == [0.5, 1.0, 2.0]
    assert server.asked == ["a", "b"] * 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            Answer(PACKED[: len(PACKED) // 2], length=len(PACKED)),
            f"ended after .* of {len(PACKED)} bytes|Incomplete",
        ),
        (Answer(gzip.compress(CONTENT[:-1])), f"SHA-256 .* expected {SHA256[:8]}"),
        (Answer(b"<html>log in first</html>"), "[Gg]zip"),
        (Answer(PACKED[:-20]), "end-of-stream"),
        (Answer(PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]), "CRC"),
        (Answer(PACKED[:30] + bytes(100) + PACKED[130:]), "decompressing|CRC|SHA-256"),
        (Answer(b""), "SHA-256"),
        (Answer(b"", 500), "500"),
        (Answer(b"x", length="many"), "data.gz"),
        (Answer(stall=True), "timed out"),
    ],
    ids=["half", "other content", "a page", "cut gzip", "bad sum", "bad middle", "empty", "500", "nonsense", "silence"],
)
def test_what_never_comes_right_is_refused_with_the_reason_and_nothing_is_left(server, target, answer, reason):
    rounds = 1 if answer.stall else 2
    server.script["a"] = [answer]
    with pytest.raises(DataError, match=reason) as refusal:
        download([server.url("a")], target, SHA256, rounds=rounds, pause=0, timeout=0.2 if answer.stall else 5)
    for help_given in (server.url("a"), "by hand", str(target.parent), "SCRATCHVAE_DATA"):
        assert help_given in str(refusal.value)
    assert server.asked == ["a"] * rounds
    assert not target.parent.exists()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(length=1 << 40), "has 1099511627776 bytes, expected at most 201224"),
        (Answer(PACKED + bytes(99_999), length=None), "has more than 201224 bytes"),
        (Answer(gzip.compress(bytes(200_001))), "content has more than 200000 bytes"),
        (Answer(gzip.compress(bytes(20_000_000))), "content has more than 200000 bytes"),
    ],
    ids=["promised", "unpromised", "a byte too many", "a bomb"],
)
def test_no_more_is_written_or_unpacked_than_the_file_can_have(server, target, monkeypatch, answer, reason):
    written = []
    monkeypatch.setattr("os.fsync", lambda number: written.append(number))
    server.script["a"] = [answer]
    with pytest.raises(DataError, match=reason):
        download([server.url("a")], target, SHA256, largest=len(CONTENT), rounds=1)
    assert not target.parent.exists() and not written
    server.script["a"] = [Answer()]
    download([server.url("a")], target, SHA256, largest=len(CONTENT), rounds=1)
    assert target.read_bytes() == PACKED


def test_without_a_network_the_message_says_what_to_do(target, monkeypatch, pauses):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    with pytest.raises(DataError, match=r"refused.*put it into .*cache by hand, or set SCRATCHVAE_DATA"):
        download([f"http://127.0.0.1:{port}/a"], target, SHA256)
    assert not target.parent.exists()
    assert len(pauses) == 2


def test_a_folder_that_cannot_be_written_is_noticed_before_anything_is_asked(server, target):
    target.parent.write_bytes(b"a regular file")
    with pytest.raises(FileError, match="cannot write"):
        download([server.url("a")], target, SHA256)
    assert server.asked == []


@pytest.fixture
def small_mnist(server, monkeypatch, tmp_path, pauses):
    """A set of four small files that the server has under the name of MNIST, and no other place has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SCRATCHVAE_DATA", raising=False)
    digests = []
    for file, shape in zip(FILES, [(12, 3, 2), (12,), (5, 3, 2), (5,)], strict=True):
        content = struct.pack(f">{len(shape) + 1}I", 0x0800 + len(shape), *shape) + bytes(range(np.prod(shape)))
        digests.append(hashlib.sha256(content).hexdigest())
        server.script[f"m/{file}.gz"] = [Answer(gzip.compress(content))]
    source = mnist.DownloadSource((server.url("gone/"), server.url("m/")), tuple(digests))
    monkeypatch.setitem(mnist.SETS, "mnist", source)
    return tmp_path / "scratchvae" / "mnist"


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(server, small_mnist):
    data = load("mnist")
    assert (data.name, data.image_shape) == ("mnist", (3, 2))
    assert data.train.labels.tolist() == list(range(12))
    assert np.array_equal(np.rint(data.test.images * 255), np.arange(30).reshape(5, 6))
    assert sorted(path.name for path in small_mnist.iterdir()) == sorted(f"{file}.gz" for file in FILES)
    asked = len(server.asked)
    assert np.array_equal(load("mnist").train.images, data.train.images)
    assert len(server.asked) == asked


def test_a_download_that_failed_is_taken_up_where_it_stopped(server, small_mnist):
    kept = server.script.pop(f"m/{FILES[3]}.gz")
    with pytest.raises(DataError, match=f"could not download {FILES[3]}.gz"):
        load("mnist")
    server.script[f"m/{FILES[3]}.gz"] = kept
    server.asked.clear()
    assert len(load("mnist").test.labels) == 5
    assert server.asked == [f"gone/{FILES[3]}.gz", f"m/{FILES[3]}.gz"]


DOWNLOADS = """
import sys
from pathlib import Path
from scratchvae.datasets.download import download
download([sys.argv[1]], Path(sys.argv[2]), sys.argv[3], rounds=1)
"""


def test_two_processes_that_download_the_same_at_once_both_have_it(server, target):
    server.script["a"] = [Answer(meet=threading.Barrier(2))]
    command = [sys.executable, "-c", DOWNLOADS, server.url("a"), str(target), SHA256]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") for _ in range(2)]
    try:
        for process in processes:
            _, error = process.communicate(timeout=120)
            assert process.returncode == 0, error
    finally:
        for process in processes:
            process.kill()
    assert server.asked == ["a", "a"]
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]
