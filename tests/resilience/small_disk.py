"""A disk that can be filled: a private tmpfs, and a limit of file sizes."""

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
    """A folder whose disk can be filled by a second file."""

    def __init__(self, root):
        self.root, self.folder = root, root / "run"
        self.filler, self.others = root / "filler", root / "others"
        self.reset()

    def reset(self):
        self.free()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def free(self):
        self.filler.unlink(missing_ok=True)
        shutil.rmtree(self.others, ignore_errors=True)

    def free_bytes(self):
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def leave_free(self, free):
        with self.filler.open("ab") as file:
            file.write(bytes(max(0, self.free_bytes() - free) // PAGE * PAGE))

    def leave_inodes(self, number):
        self.others.mkdir()
        for name in range(os.statvfs(self.root).f_favail - number):
            (self.others / str(name)).touch()

    @contextmanager
    def growing(self, rng, free):
        """Fill the disk gradually, starting with `free` free bytes."""
        self.leave_free(free)
        pause, finished = rng.uniform(0.0, 0.01), threading.Event()

        def grow():
            with self.filler.open("ab", buffering=0) as file:
                while not finished.wait(pause):
                    try:
                        file.write(bytes(8 * PAGE))
                    except OSError:
                        time.sleep(0.05)

        thread = threading.Thread(target=grow)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()


@contextmanager
def file_size_limit(size):
    """Limit the size of files that this process writes; `set_limit` changes the limit."""
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


def rerun_in_mount_namespace(script, arguments):
    """Run the script again in a mount namespace; return its exit code, or None if this is not permitted."""
    for more in ((), ("--user", "--map-root-user")):
        unshare = ["unshare", *more, "--mount"]
        try:
            with tempfile.TemporaryDirectory() as folder:
                mount = ["mount", "-t", "tmpfs", "tmpfs", folder]
                subprocess.run([*unshare, *mount], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        return subprocess.run([*unshare, sys.executable, script, *arguments, "--mounts"]).returncode
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
