"""Write `golden.npz` anew, from what this code computes on this machine.

    python tests/golden/record.py

This is allowed only where a number is meant to change: where what was computed before was wrong, or where a case is
added to `cases.py`. It never makes a failing test pass. Say in the commit which numbers change, and why: the command
lists them. A change that only adds or moves code leaves all of them as they are.
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

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.npz"
LIMIT = 300  # seconds, of a machine that is busy with other work
THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
TINY = np.finfo(np.float64).tiny
NOT_THERE = object()


class Numbers(NamedTuple):
    """What was computed, where and of which cases: each has "arrays" and "facts", or "error", or "left out"."""

    machine: dict[str, str]
    cases: dict[str, dict[str, Any]]


def computed(path: Path) -> Numbers:
    """All cases, computed by a process of its own, with one thread and this package, and kept in a file there."""
    ours, tests = Path(sv.__file__).parents[1], HERE.parent
    found = os.pathsep.join([str(ours), str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    surroundings = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": found}
    command = [sys.executable, str(HERE / "cases.py"), str(path)]
    ended = subprocess.run(
        command, env=surroundings, capture_output=True, encoding="utf-8", errors="replace", timeout=LIMIT
    )
    if ended.returncode:
        raise RuntimeError(f"the cases could not be computed:\n{ended.stdout}{ended.stderr}")
    return read(path)


def read(path: Path) -> Numbers:
    """What `cases` wrote."""
    with np.load(path, allow_pickle=False) as file:
        told = json.loads(file["told"].tobytes())
        for name, case in told["cases"].items():
            if name in file.files:
                case["arrays"] = dict(_unpacked(case["arrays"], file[name].tobytes()))
    return Numbers(**told)


def _unpacked(places, content):
    at = 0
    for name, dtype, shape in places:
        array = np.frombuffer(content, dtype, int(np.prod(shape)), at).reshape(shape)
        at += array.nbytes
        yield name, array.astype(array.dtype.newbyteorder("="))
    assert at == len(content)


def errors(case, recorded):
    """By name, how far each number of a case is from what was recorded: ‖a − b‖ / ‖b‖, or what is wrong with it.

    Of what is the same to the bit there is nothing.
    """
    wrong = {}
    for kind in ("facts", "arrays"):
        for name in [*recorded[kind], *(name for name in case[kind] if name not in recorded[kind])]:
            a, b = case[kind].get(name, NOT_THERE), recorded[kind].get(name, NOT_THERE)
            if a is NOT_THERE or b is NOT_THERE:
                wrong[name] = "is no longer there" if a is NOT_THERE else "is there, and was not"
            elif kind == "facts":
                if a != b:
                    wrong[name] = f"is {a!r}, and was {b!r}"
            elif a.dtype != b.dtype or a.shape != b.shape:
                wrong[name] = f"is {a.dtype} of shape {a.shape}, and was {b.dtype} of shape {b.shape}"
            elif a.tobytes() != b.tobytes():
                wrong[name] = _distance(a, b)
    return wrong


def _distance(a, b):
    if b.dtype.kind != "f":
        return f"differs in {int((a != b).sum())} places"
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return "is finite where it was not, or the other way round"
    a, b = (x[finite].astype(np.float64) for x in (a, b))
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), TINY))


def main():
    before = read(GOLDEN) if GOLDEN.exists() else Numbers({}, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, GOLDEN.name)
        after = computed(path)
        missed = {name: case for name, case in after.cases.items() if "arrays" not in case}
        if missed:
            for name, case in missed.items():
                print(f"{name}: {case.get('error') or case['left out']}", file=sys.stderr)
            sys.exit("nothing was written, for these cases have no numbers")
        GOLDEN.write_bytes(path.read_bytes())
    for name in [*before.cases, *(name for name in after.cases if name not in before.cases)]:
        if name not in after.cases or name not in before.cases:
            print(f"{name}: {'is gone' if name in before.cases else 'is new'}")
            continue
        for of, error in errors(after.cases[name], before.cases[name]).items():
            print(f"{name}: {of} {error if isinstance(error, str) else f'differs by {error:.1e}'}")
    print(f"{len(after.cases)} cases, {GOLDEN.stat().st_size:,} bytes, computed by {Path(sv.__file__).parent}")


if __name__ == "__main__":
    main()
