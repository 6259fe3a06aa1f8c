"""Mutation testing: change the sources in one place at a time, and check that a test fails.

    python tests/mutation/run.py [paths…] [--sample N --seed S] [--results FILE] [--limit-minutes M] [--jobs N]

mutmut makes the mutants of the Python, operators.py those of the C++ in strings. The tests run once without a mutant,
which tells how long each takes and which lines it runs. Then each mutant is written to a temporary copy of the
repository, and the tests that run its line run there until one fails, for half a minute at most. A mutant of the C++
runs against all tests of the kernels. Only the bodies of functions are mutated, not class and module attributes and the
wording of errors. Install what it needs with  pip install -e '.[test,mutation]'. It needs fork: Linux, macOS or WSL.

--sample draws uniformly over all mutants, the same ones for the same sources and seed. With --results, a run that was
stopped keeps its results, a line of JSON for each mutant, and the next run with the same arguments goes on; to test
mutants again, delete their lines. What the tests do without a mutant is kept in FILE.cache.

Survivors are printed as file:line, function, old → new. Write a test that fails for each, or list it in
equivalent.txt with the reason why no test can fail. The exit code is 1 if a survivor is not listed.
"""

import argparse
import importlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: the jobs share the cores

ROOT = Path(__file__).parents[2]
PACKAGES = "layers probability objectives optim kernels fused models training evaluation gradcheck cli"
SOURCES = [*(f"scratchvae/{name}" for name in PACKAGES.split()), "scratchvae/backend/native/template.py"]
OTHER_TESTS = "cost demos fuzz gpu mutation resilience test_architecture.py test_distribution.py test_guides.py"
TESTS = sorted(
    f"tests/{path.name}"
    for path in (ROOT / "tests").iterdir()
    if path.name not in OTHER_TESTS.split() and (path.name.startswith("test_") or list(path.glob("test_*.py")))
)
IMPORTED = "autograd.scipy hypothesis matplotlib.pyplot pytest scipy.stats"  # by the tests: once, before all forks
PATIENCE = 60  # seconds that a test may take besides ten times what it usually takes
KEY = ("file", "line", "function", "change")  # of a mutant and its result
STATUSES = ("killed", "survived", "timeout", "does not compile", "not run")
ALL, BACKWARD, CPP = "all", "of these, in backward passes", "of these, in C++"


def test_all(mutants, baseline, copies, cache, deadline):
    """Yield (mutant, result) of the mutants until the deadline, as many at once as there are copies."""
    from pytest_runs import end, run_chosen, start

    left, free, running = list(reversed(mutants)), list(copies), {}
    try:
        while running or (left and time.monotonic() < deadline):
            while free and left and time.monotonic() < deadline:
                mutant, copy = left.pop(), free.pop()
                tests = baseline.tests_for(mutant)
                if not tests:
                    free.append(copy)
                    yield mutant, {"status": "survived", "tests": 0, "seconds": 0}
                    continue
                (copy / mutant.file).rename(copy / "original.py")
                (copy / mutant.file).write_text(mutant.code, encoding="utf-8")
                # bytecode is compiled again if the time of a file, in whole seconds, differs
                os.utime(copy / mutant.file, (len(left), len(left)))
                pid = start(copy, cache, run_chosen, tests, PATIENCE)
                running[pid] = mutant, copy, len(tests), time.monotonic()
            if not running:
                continue
            pid, status = os.wait()
            end(pid)
            mutant, copy, count, began = running.pop(pid)
            (copy / "original.py").rename(copy / mutant.file)
            free.append(copy)
            result = judge(mutant, os.waitstatus_to_exitcode(status), (copy / "output.txt").read_text(errors="replace"))
            yield mutant, {**result, "tests": count, "seconds": round(time.monotonic() - began, 1)}
    finally:
        for pid in running:
            end(pid)


def judge(mutant, code, output):
    if code == 0:
        return {"status": "survived"}
    if code == -14:
        return {"status": "timeout"}
    if mutant.is_cpp and "cannot compile a kernel" in output:
        return {"status": "does not compile"}
    failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", output, re.M)
    return {"status": "killed", "by": failed[1] if failed else f"exit code {code}"}


def read_results(path):
    """Return {mutant: result} of a results file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    results = [json.loads(line) for line in lines if line.endswith("}")]
    return {tuple(result[name] for name in KEY): result for result in results}


def read_equivalent():
    """Return {(file, function, change)} of the mutants that are equivalent to the original."""
    text = Path(__file__).with_name("equivalent.txt").read_text(encoding="utf-8")
    entries = [entry.splitlines() for entry in re.split(r"\n\s*\n", text.strip()) if not entry.startswith("#")]
    return {(*location.split(), change.strip()) for location, change, *_ in entries}


def report(mutants, results, equivalent, paths):
    print(f"\n{'':32}mutants" + "".join(f"{status:>18}" for status in STATUSES))
    packages = sorted({str(Path(mutant.file).parent) for mutant in mutants})
    groups = {name: Counter() for name in [*packages, ALL, BACKWARD, CPP]}
    for mutant in mutants:
        names = [str(Path(mutant.file).parent), ALL]
        names += [BACKWARD] * ("backward" in mutant.function) + [CPP] * mutant.is_cpp
        for name in names:
            groups[name][results.get(mutant.key, {}).get("status", "not run")] += 1
    for name, counts in groups.items():
        print(f"{name:30}{counts.total():9}" + "".join(f"{counts[status]:18}" for status in STATUSES))
    survivors = [mutant for mutant in mutants if results.get(mutant.key, {}).get("status") == "survived"]
    unlisted = [mutant for mutant in survivors if (mutant.file, mutant.function, mutant.change) not in equivalent]
    print(f"\n{len(survivors)} survivors, {len(unlisted)} of them not listed as equivalent")
    for mutant in unlisted:
        note = "" if results[mutant.key]["tests"] else "  (no test runs this line)"
        print(f"{mutant.file}:{mutant.line}  {mutant.function}  {mutant.change}{note}")
    status_of = {(m.file, m.function, m.change): results.get(m.key, {}).get("status") for m in mutants}
    for entry in sorted(equivalent):
        file, _, change = entry
        if any(Path(file).is_relative_to(path) for path in paths):
            code = " ".join((ROOT / file).read_text(encoding="utf-8").split()) if (ROOT / file).exists() else ""
            if " ".join(change.split(" → ")[0].split()) not in code:
                print("listed as equivalent, but no longer in the sources:", *entry)
            elif status_of.get(entry, "survived") not in ("survived", None):
                print("listed as equivalent, but killed:", *entry)
    return bool(unlisted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=SOURCES, help=f"sources to mutate ({' '.join(SOURCES)})")
    parser.add_argument("--sample", type=int, help="test as many mutants, drawn at random (all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--results", type=Path, help="file that keeps the results, to go on later")
    parser.add_argument("--limit-minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants to test at once (all cores)")
    parser.add_argument("--tests", nargs="+", default=TESTS, help=f"tests to run ({' '.join(TESTS)})")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: report the results so far
    deadline = time.monotonic() + 60 * args.limit_minutes
    try:
        from mutants import draw, find_all
    except ImportError:
        sys.exit("mutmut is not installed: pip install -e '.[test,mutation]'")
    from baseline import Baseline
    from pytest_runs import copy_repository

    with tempfile.TemporaryDirectory() as folder:
        file = args.results.resolve() if args.results else Path(folder, "results.jsonl")
        cache = file.with_name(f"{file.name}.cache")
        cache.mkdir(parents=True, exist_ok=True)
        mutants = draw(find_all(args.paths, ROOT), args.sample, args.seed)
        results = read_results(file)
        left = [mutant for mutant in mutants if mutant.key not in results]
        print(f"{len(mutants)} mutants, {len(mutants) - len(left)} of them tested before", flush=True)
        if left:
            for name in IMPORTED.split():
                importlib.import_module(name)
            copies = [copy_repository(Path(folder, f"copy-{number}")) for number in range(args.jobs)]
            baseline = Baseline(copies[0], cache, args.tests)
            print(f"{len(baseline.seconds)} tests take {sum(baseline.seconds.values()):.0f} s", flush=True)
            for test in baseline.failed:
                print(f"left out, since it fails without a mutant: {test}")
            with suppress(KeyboardInterrupt), file.open("a", encoding="utf-8") as written:
                for mutant, result in test_all(left, baseline, copies, cache, deadline):
                    results[mutant.key] = dict(zip(KEY, mutant.key, strict=True)) | result
                    print(json.dumps(results[mutant.key], ensure_ascii=False), file=written, flush=True)
        failed = report(mutants, results, read_equivalent(), args.paths)
        if not_run := sum(mutant.key not in results for mutant in mutants):
            print(f"{not_run} mutants are left")
    sys.exit(failed)


if __name__ == "__main__":
    main()
