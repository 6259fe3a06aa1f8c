"""Downloads from a local server."""

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


class Response(NamedTuple):
    body: bytes = PACKED
    status: int = 200
    length: object = ...  # Content-Length: by default the true length; None omits the header
    stall: bool = False
    meet: threading.Barrier | None = None  # wait until all parties have sent a request


class LocalServer(ThreadingMixIn, HTTPServer):
    """Sends the responses listed in `script` for a path in order and repeats the last one."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = {}
        self.requests = []
        self.ending = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        pass  # the client timed out


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.requests.append(path)
        responses = self.server.script.get(path, [Response(b"", 404)])
        response = responses.pop(0) if len(responses) > 1 else responses[0]
        if response.stall:
            self.server.ending.wait(5)
        if response.meet:
            response.meet.wait(60)
        self.send_response(response.status)
        if response.length is not None:
            self.send_header("Content-Length", len(response.body) if response.length is ... else response.length)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with LocalServer() as server:
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
    durations = []
    monkeypatch.setattr(time, "sleep", durations.append)
    return durations


@pytest.mark.parametrize("length", [..., None], ids=["of known length", "of unknown length"])
@pytest.mark.parametrize("terminal", [False, True], ids=["in a pipe", "on a terminal"])
def test_the_file_is_saved_unchanged_and_its_name_is_shown_on_a_terminal(server, target, monkeypatch, length, terminal):
    stderr = io.StringIO()
    stderr.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stderr)
    server.script["a"] = [Response(length=length)]
    download([server.url("a")], target, SHA256, pause=0)
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]
    assert server.requests == ["a"]
    assert ("data.gz" in stderr.getvalue()) == terminal


def test_the_second_mirror_is_used_if_the_first_lacks_the_file(server, target, pauses):
    server.script["b"] = [Response()]
    download([server.url("a"), server.url("b")], target, SHA256)
    assert target.read_bytes() == PACKED
    assert server.requests == ["a", "b"]
    assert pauses == []


@pytest.mark.parametrize(
    "bad", [Response(PACKED[:-9], length=len(PACKED)), Response(b"busy", 503), Response(b"<html>")]
)
def test_a_bad_response_is_retried_and_leaves_no_file(server, target, bad):
    server.script["a"] = [bad, Response()]
    download([server.url("a")], target, SHA256, pause=0)
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]


def test_the_pause_doubles_in_each_round(server, target, pauses):
    with pytest.raises(DataError, match="404"):
        download([server.url("a"), server.url("b")], target, SHA256, max_attempts=4, pause=0.5)
    assert pauses == [0.5, 1.0, 2.0]
    assert server.requests == ["a", "b"] * 4


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (
            Response(PACKED[: len(PACKED) // 2], length=len(PACKED)),
            f"ended after .* of {len(PACKED)} bytes|Incomplete",
        ),
        (Response(gzip.compress(CONTENT[:-1])), f"SHA-256 .* expected {SHA256[:8]}"),
        (Response(b"<html>log in first</html>"), "[Gg]zip"),
        (Response(PACKED[:-20]), "end-of-stream"),
        (Response(PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:]), "CRC"),
        (Response(PACKED[:30] + bytes(100) + PACKED[130:]), "decompressing|CRC|SHA-256"),
        (Response(b""), "SHA-256"),
        (Response(b"", 500), "500"),
        (Response(b"x", length="many"), "data.gz"),
        (Response(stall=True), "timed out"),
    ],
    ids=["half", "other content", "a page", "cut gzip", "bad sum", "bad middle", "empty", "500", "nonsense", "silence"],
)
def test_a_download_that_always_fails_is_refused_with_the_reason_and_leaves_no_file(server, target, response, reason):
    max_attempts = 1 if response.stall else 2
    server.script["a"] = [response]
    with pytest.raises(DataError, match=reason) as refusal:
        download(
            [server.url("a")], target, SHA256, max_attempts=max_attempts, pause=0, timeout=0.2 if response.stall else 5
        )
    for help_given in (server.url("a"), "by hand", str(target.parent), "SCRATCHVAE_DATA"):
        assert help_given in refusal.value.message
    assert server.requests == ["a"] * max_attempts
    assert not target.parent.exists()


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(length=1 << 40), "has 1099511627776 bytes, expected at most 201224"),
        (Response(PACKED + bytes(99_999), length=None), "has more than 201224 bytes"),
        (Response(gzip.compress(bytes(200_001))), "content has more than 200000 bytes"),
        (Response(gzip.compress(bytes(20_000_000))), "content has more than 200000 bytes"),
    ],
    ids=["promised", "unpromised", "a byte too many", "a bomb"],
)
def test_no_more_than_the_known_size_is_written_or_unpacked(server, target, monkeypatch, response, reason):
    written = []
    monkeypatch.setattr("os.fsync", lambda number: written.append(number))
    server.script["a"] = [response]
    with pytest.raises(DataError, match=reason):
        download([server.url("a")], target, SHA256, max_bytes=len(CONTENT), max_attempts=1)
    assert not target.parent.exists() and not written
    server.script["a"] = [Response()]
    download([server.url("a")], target, SHA256, max_bytes=len(CONTENT), max_attempts=1)
    assert target.read_bytes() == PACKED


def test_without_a_network_the_message_has_a_hint(target, monkeypatch, pauses):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    with pytest.raises(DataError, match=r"refused.*put it into .*cache by hand, or set SCRATCHVAE_DATA"):
        download([f"http://127.0.0.1:{port}/a"], target, SHA256)
    assert not target.parent.exists()
    assert len(pauses) == 2


def test_an_unwritable_folder_is_refused_before_the_first_request(server, target):
    target.parent.write_bytes(b"a regular file")
    with pytest.raises(FileError, match="cannot write"):
        download([server.url("a")], target, SHA256)
    assert server.requests == []


@pytest.fixture
def small_mnist(server, monkeypatch, tmp_path, pauses):
    """Four small files named as MNIST's, available only from the test server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SCRATCHVAE_DATA", raising=False)
    digests = []
    for file, shape in zip(FILES, [(12, 3, 2), (12,), (5, 3, 2), (5,)], strict=True):
        content = struct.pack(f">{len(shape) + 1}I", 0x0800 + len(shape), *shape) + bytes(range(np.prod(shape)))
        digests.append(hashlib.sha256(content).hexdigest())
        server.script[f"m/{file}.gz"] = [Response(gzip.compress(content))]
    source = mnist.DownloadSource((server.url("gone/"), server.url("m/")), tuple(digests))
    monkeypatch.setitem(mnist.SETS, "mnist", source)
    return tmp_path / "scratchvae" / "mnist"


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(server, small_mnist):
    data = load("mnist")
    assert (data.name, data.image_shape) == ("mnist", (3, 2))
    assert data.train.labels.tolist() == list(range(12))
    assert np.array_equal(np.rint(data.test.images * 255), np.arange(30).reshape(5, 6))
    assert sorted(path.name for path in small_mnist.iterdir()) == sorted(f"{file}.gz" for file in FILES)
    request_count = len(server.requests)
    assert np.array_equal(load("mnist").train.images, data.train.images)
    assert len(server.requests) == request_count


def test_a_failed_download_is_resumed_at_the_missing_file(server, small_mnist):
    responses = server.script.pop(f"m/{FILES[3]}.gz")
    with pytest.raises(DataError, match=f"could not download {FILES[3]}.gz"):
        load("mnist")
    server.script[f"m/{FILES[3]}.gz"] = responses
    server.requests.clear()
    assert len(load("mnist").test.labels) == 5
    assert server.requests == [f"gone/{FILES[3]}.gz", f"m/{FILES[3]}.gz"]


DOWNLOADS = """
import sys
from pathlib import Path
from scratchvae.datasets.download import download
download([sys.argv[1]], Path(sys.argv[2]), sys.argv[3], max_attempts=1)
"""


def test_two_processes_can_download_the_same_file_at_once(server, target):
    server.script["a"] = [Response(meet=threading.Barrier(2))]
    command = [sys.executable, "-c", DOWNLOADS, server.url("a"), str(target), SHA256]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") for _ in range(2)]
    try:
        for process in processes:
            _, error = process.communicate(timeout=120)
            assert process.returncode == 0, error
    finally:
        for process in processes:
            process.kill()
    assert server.requests == ["a", "a"]
    assert target.read_bytes() == PACKED
    assert list(target.parent.iterdir()) == [target]
