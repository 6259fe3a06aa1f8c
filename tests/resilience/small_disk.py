"""A disk that can be filled: a tmpfs that nobody else sees, and a limit to the length of files."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096
INODES = 64


class Disk:
    """A folder whose disk can be filled, by a file beside it."""

    def __init__(self, root):
        self.root, self.folder = root, root / "run"
        self.filler, self.others = root / "filler", root / "others"
        self.anew()

    def anew(self):
        self.free()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def free(self):
        self.filler.unlink(missing_ok=True)
        shutil.rmtree(self.others, ignore_errors=True)

    def left(self):
        told = os.statvfs(self.root)
        return told.f_bavail * told.f_frsize

    def leave(self, room):
        with self.filler.open("ab") as file:
            file.write(bytes(max(0, self.left() - room) // PAGE * PAGE))

    def leave_inodes(self, number):
        self.others.mkdir()
        for name in range(os.statvfs(self.root).f_favail - number):
            (self.others / str(name)).touch()

    @contextmanager
    def growing(self, rng, room):
        """From `room` bytes that are free, down to none."""
        self.leave(room)
        pause, over = rng.uniform(0.0, 0.01), threading.Event()

        def grow():
            with self.filler.open("ab", buffering=0) as file:
                while not over.wait(pause):
                    try:
                        file.write(bytes(8 * PAGE))
                    except OSError:
                        time.sleep(0.05)

        thread = threading.Thread(target=grow)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def no_file_longer_than(size):
    """Lets this process write no longer file; the `size` may be changed on the way, by `set_limit`."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    set_limit(size)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def set_limit(size):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def in_a_room_of_its_own(script, words):
    """Run the script again where it may mount a disk, if it may; returns its exit code, or None where it may not."""
    for more in ((), ("--user", "--map-root-user")):
        around = ["unshare", *more, "--mount"]
        try:
            with tempfile.TemporaryDirectory() as folder:
                mount = ["mount", "-t", "tmpfs", "tmpfs", folder]
                subprocess.run([*around, *mount], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        return subprocess.run([*around, sys.executable, script, *words, "--mounts"]).returncode
    return None


@contextmanager
def small_disk(mounts, options):
    with tempfile.TemporaryDirectory() as root:
        if mounts:
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", root], check=True)
        try:
            yield Disk(Path(root))
        finally:
            if mounts:
                subprocess.run(["umount", root], check=True)
