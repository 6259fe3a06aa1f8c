"""Tests of the lock of a model: first come first served, and long reads that give way."""

import threading
import time

import numpy as np
import pytest

import scratchvae as sv
from scratchvae.models.fair_lock import FairLock

LIMIT = 20.0  # seconds


class Threads:
    """Threads that ask for a lock one after another; each begins when the one before it waits or runs."""

    def __init__(self, lock):
        self.lock, self.threads, self.log = lock, [], []

    def start(self, function):
        count = self.lock._count
        thread = threading.Thread(target=function, daemon=True)
        self.threads.append(thread)
        thread.start()
        wait_until(lambda: self.lock._count > count and not self.lock._mutex.locked())

    def join(self):
        for thread in self.threads:
            thread.join(LIMIT)
            assert not thread.is_alive()

    def write(self, name):
        with self.lock:
            self.log.append(name)

    def read(self, name, chunks=1, between=lambda: None):
        with self.lock.reading():
            for chunk in range(chunks):
                if chunk:
                    self.lock.give_way()
                self.log.append(f"{name}{chunk}")
                between()


def wait_until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(1e-4)


def long_read(threads, steps):
    """Run the functions `steps` in threads that begin while a read of five chunks is in its first; return the log."""
    first, go = threading.Event(), threading.Event()

    def after_the_first_chunk():
        first.set()
        assert go.wait(LIMIT)

    threads.start(lambda: threads.read("long", 5, after_the_first_chunk))
    assert first.wait(LIMIT)
    for step in steps:
        threads.start(step)
    go.set()
    threads.join()
    return threads.log


def test_threads_run_in_the_order_in_which_they_came():
    threads = Threads(FairLock())
    with threads.lock:
        for name in "abcdefgh":
            threads.start(lambda name=name: threads.write(name))
    threads.join()
    assert threads.log == list("abcdefgh")


def test_a_reader_waits_for_one_chunk_of_a_long_read():
    threads = Threads(FairLock())
    log = long_read(threads, [lambda: threads.read("a"), lambda: threads.read("b")])
    assert log == ["long0", "a0", "b0", "long1", "long2", "long3", "long4"]


def test_two_long_reads_take_turns():
    threads = Threads(FairLock())
    log = long_read(threads, [lambda: threads.read("a", 3)])
    assert log == ["long0", "a0", "long1", "a1", "long2", "a2", "long3", "long4"]


def test_a_writer_waits_for_the_reads_before_it_and_readers_after_them_wait_for_it():
    threads = Threads(FairLock())
    log = long_read(threads, [lambda: threads.write("W"), lambda: threads.read("a")])
    assert log == ["long0", "a0", "long1", "long2", "long3", "long4", "W"]
    threads = Threads(FairLock())
    log = long_read(threads, [lambda: threads.write("W"), lambda: threads.read("a", 9)])
    assert log.index("W") == len(log) - 1  # a read that has begun ends before it
    threads = Threads(FairLock())
    with threads.lock:
        threads.start(lambda: threads.write("W"))
        threads.start(lambda: threads.read("a"))
    threads.join()
    assert threads.log == ["W", "a0"]


def test_a_stream_of_readers_does_not_keep_a_writer_waiting():
    lock, stop, written = FairLock(), threading.Event(), threading.Event()

    def read():
        while not stop.is_set():
            with lock.reading():
                for _ in range(3):
                    lock.give_way()
                    time.sleep(1e-4)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(4)]
    for reader in readers:
        reader.start()
    time.sleep(0.01)
    threading.Thread(target=lambda: (lock.acquire(), written.set(), lock.release()), daemon=True).start()
    assert written.wait(LIMIT)
    stop.set()
    for reader in readers:
        reader.join(LIMIT)


def test_a_read_inside_a_write_does_not_give_way():
    threads = Threads(FairLock())
    with threads.lock:
        threads.start(lambda: threads.read("other"))
        threads.read("own", 3)
    threads.join()
    assert threads.log == ["own0", "own1", "own2", "other0"]
    threads = Threads(FairLock())
    with threads.lock.reading():
        with threads.lock:
            threads.start(lambda: threads.read("other"))
            threads.lock.give_way()
        threads.log.append("own")
    threads.join()
    assert threads.log == ["own", "other0"]


def test_the_lock_may_time_out():
    lock, answers = FairLock(), []
    with lock:
        thread = threading.Thread(target=lambda: answers.append(lock.acquire(timeout=0.01)))
        thread.start()
        thread.join(LIMIT)
    assert answers == [False]
    assert lock.acquire(timeout=0.0) and lock.held
    lock.release()
    assert not lock.held
    with pytest.raises(RuntimeError, match="does not hold it"):
        lock.release()


def test_a_timed_out_writer_no_longer_stands_before_readers():
    threads = Threads(FairLock())
    lock, paused, go = threads.lock, threading.Event(), threading.Event()

    def hold():
        with lock.reading():
            paused.set()
            assert go.wait(LIMIT)

    threads.start(hold)
    assert paused.wait(LIMIT)
    threads.start(lambda: threads.log.append(lock.acquire(timeout=0.01)))
    wait_until(lambda: threads.log == [False])
    threads.start(lambda: threads.read("a"))
    go.set()
    threads.join()
    assert threads.log == [False, "a0"]


def test_the_weights_do_not_change_during_a_read_that_gives_way():
    model = sv.VAE(6, 2, hidden=(8,))
    model.chunk_rows = 4
    x = np.random.default_rng(0).random((400, 6), np.float32)
    trainer, stop, wrong = sv.Trainer(model, lr=0.1), threading.Event(), []

    def train():
        while not stop.is_set():
            trainer.step(x[:20])

    def embed():
        while not stop.is_set():
            codes = model.embed(np.concatenate([x[:4]] * 20))
            if not (codes.reshape(20, -1) == codes[:4].ravel()).all():
                wrong.append(codes)

    threads = [threading.Thread(target=function, daemon=True) for function in (train, embed, embed, train)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join(LIMIT)
    assert not wrong and trainer.optimizer.t > 10


def test_one_row_waits_for_two_chunks_while_another_thread_embeds_many():
    model = sv.VAE(784, 20, hidden=(512,))
    x = np.random.default_rng(0).random((512, 784), np.float32)
    model.embed(x)
    chunks, ends = [], []
    forward = model.encoder.forward
    model.encoder.forward = lambda rows: (chunks.append(len(rows)), forward(rows))[1]
    many = np.broadcast_to(x, (60, *x.shape)).reshape(-1, 784)
    long = threading.Thread(target=lambda: (model.embed(many), ends.append(len(chunks))), daemon=True)
    long.start()
    waited = []
    while long.is_alive() and len(waited) < 5:
        wait_until(lambda: len(chunks) > 3 * len(waited) or not long.is_alive())
        before = len(chunks)
        model.embed(x[:1])
        waited.append(chunks[before:].index(1) if 1 in chunks[before:] else 0)
    long.join(LIMIT)
    assert ends == [60 + chunks.count(1)] and max(waited) <= 2


def test_a_clone_of_an_encoder_shares_the_weights(tmp_path):
    model = sv.VAE(9, 3, hidden=(16,), seed=1)
    sv.save(model, tmp_path / "vae.npz")
    encoder = sv.load_encoder(tmp_path / "vae.npz")
    clone = encoder.clone()
    assert np.shares_memory(encoder.params["encoder.0.W"], clone.params["encoder.0.W"])
    assert clone.model.lock is not encoder.model.lock
    x = np.random.default_rng(0).random((1300, 9), np.float32)
    codes, parts = encoder.embed(x), {}
    threads = [
        threading.Thread(target=lambda k=k, e=e: parts.update({k: [e.embed(x) for _ in range(20)]}))
        for k, e in enumerate((encoder, clone, clone.clone()))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert all((result == codes).all() for results in parts.values() for result in results)
    encoder.params["encoder.0.W"][...] = 0.0
    assert (clone.embed(x) == encoder.embed(x)).all() and not (clone.embed(x) == codes).all()
