"""Write `golden.npz` again, with the numbers that this code computes on this machine.

    python tests/golden/record.py

Do this only if a number is meant to change: because the old one was wrong, or because a case was added to `cases.py`.
Never do it to make a failing test pass. The command lists the changed numbers: say in the commit which change, and
why. A change that only adds or moves code changes none of them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import scratchvae as sv

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden.npz"
TIMEOUT = 300  # seconds, on a busy machine
THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
TINY = np.finfo(np.float64).tiny
ABSENT = object()


class Numbers(NamedTuple):
    """The machine and the cases computed on it: each case has "arrays" and "facts", or "error", or "skipped"."""

    machine: dict[str, str]
    cases: dict[str, dict[str, Any]]


def compute_all(path: Path) -> Numbers:
    """Compute all cases with this package in a process with one thread, which writes them to `path`."""
    package, tests = Path(sv.__file__).parents[1], FOLDER.parent
    python_path = os.pathsep.join([str(package), str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": python_path}
    command = [sys.executable, str(FOLDER / "cases.py"), str(path)]
    result = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT
    )
    if result.returncode:
        raise RuntimeError(f"the cases could not be computed:\n{result.stdout}{result.stderr}")
    return read(path)


def read(path: Path) -> Numbers:
    """Return the content of a file that `cases` wrote."""
    with np.load(path, allow_pickle=False) as file:
        content = json.loads(file["told"].tobytes())
        for name, case in content["cases"].items():
            if name in file.files:
                case["arrays"] = dict(_unpack(case["arrays"], file[name].tobytes()))
    return Numbers(**content)


def _unpack(headers, content):
    offset = 0
    for name, dtype, shape in headers:
        array = np.frombuffer(content, dtype, int(np.prod(shape)), offset).reshape(shape)
        offset += array.nbytes
        yield name, array.astype(array.dtype.newbyteorder("="))
    assert offset == len(content)


def errors(case, recorded):
    """Return ‖a − b‖ / ‖b‖, or a description, by name for each number a that differs from its recorded value b.

    Numbers that are the same to the bit are left out.
    """
    differences = {}
    for kind in ("facts", "arrays"):
        for name in [*recorded[kind], *(name for name in case[kind] if name not in recorded[kind])]:
            actual, expected = case[kind].get(name, ABSENT), recorded[kind].get(name, ABSENT)
            if actual is ABSENT or expected is ABSENT:
                differences[name] = "is missing" if actual is ABSENT else "is new"
            elif kind == "facts":
                if actual != expected:
                    differences[name] = f"is {actual!r}; recorded as {expected!r}"
            elif actual.dtype != expected.dtype or actual.shape != expected.shape:
                differences[name] = (
                    f"is {actual.dtype} of shape {actual.shape}; recorded as {expected.dtype} of shape {expected.shape}"
                )
            elif actual.tobytes() != expected.tobytes():
                differences[name] = _distance(actual, expected)
    return differences


def _distance(a, b):
    if b.dtype.kind != "f":
        return f"differs in {int((a != b).sum())} entries"
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return "has other entries that are not finite"
    a, b = (x[finite].astype(np.float64) for x in (a, b))
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), TINY))


def main():
    before = read(GOLDEN) if GOLDEN.exists() else Numbers({}, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, GOLDEN.name)
        after = compute_all(path)
        without_numbers = {name: case for name, case in after.cases.items() if "arrays" not in case}
        if without_numbers:
            for name, case in without_numbers.items():
                print(f"{name}: {case.get('error') or case['skipped']}", file=sys.stderr)
            sys.exit("nothing was written: these cases have no numbers")
        GOLDEN.write_bytes(path.read_bytes())
    for name in [*before.cases, *(name for name in after.cases if name not in before.cases)]:
        if name not in after.cases or name not in before.cases:
            print(f"{name}: {'is removed' if name in before.cases else 'is new'}")
            continue
        for number, error in errors(after.cases[name], before.cases[name]).items():
            print(f"{name}: {number} {error if isinstance(error, str) else f'differs by {error:.1e}'}")
    print(f"{len(after.cases)} cases, {GOLDEN.stat().st_size:,} bytes, computed by {Path(sv.__file__).parent}")


if __name__ == "__main__":
    main()
