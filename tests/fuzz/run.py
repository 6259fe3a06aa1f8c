"""Damaged files for every reader of scratchvae: each is read right or refused by an error of ours, or this says so.

    python tests/fuzz/run.py --files 100000 --seed 0 --jobs 2

Four of five files are whole ones that were damaged: bits flipped, ends cut off, blocks moved, members of archives
swapped, numbers in headers made absurd. The fifth is a header that hypothesis made. Each is read under a limit of
5 seconds and of 200 MB of memory. Exits with 1 if anything else happened than a right result or an error of
scratchvae.errors; such files are kept, each in a folder of its own, and can be read again:

    python tests/fuzz/run.py --reader csv --replay FOLDER
"""

import argparse
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SHARD = 2500  # files that one process reads
EACH = 5  # one of so many is made by hypothesis


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="of all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", help="this reader alone; may be given several times")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--keep", default=None, metavar="DIR", help="where files go that are read wrong")
    parser.add_argument("--list", action="store_true", help="name the readers")
    parser.add_argument("--replay", metavar="DIR", help="read the files there, and say what comes of it")
    parser.add_argument("--shard", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    keep = Path(args.keep or Path(tempfile.gettempdir(), "scratchvae-fuzz"))
    if args.shard:
        print(json.dumps(read_shard(args.reader[0], args.seed, *args.shard, keep)))
        return 0
    from readers import READERS

    if args.list:
        print("\n".join(READERS))
        return 0
    if args.replay:
        return replay(args.reader[0], Path(args.replay))
    names = args.reader or list(READERS)
    counts = {name: args.files // len(names) + (k < args.files % len(names)) for k, name in enumerate(names)}
    shards = [(name, at, min(SHARD, count - at)) for name, count in counts.items() for at in range(0, count, SHARD)]
    with ThreadPoolExecutor(args.jobs) as pool:
        told = list(pool.map(lambda shard: run_shard(*shard, args.seed, keep), shards))
    return report(names, told)


def run_shard(name: str, first: int, count: int, seed: int, keep: Path) -> dict[str, Any]:
    """Those files, in a process of their own, so that a crash is told of as anything else is."""
    command = [sys.executable, __file__, "--reader", name, "--seed", str(seed), "--keep", str(keep), "--shard"]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ended = subprocess.run([*command, str(first), str(count)], capture_output=True, encoding="utf-8", env=env)
    if ended.returncode == 0:
        return json.loads(ended.stdout)
    last = (ended.stderr.strip().splitlines() or [""])[-1]
    crash = f"the process ended with {ended.returncode} among files {first} to {first + count - 1}: {last}"
    print(ended.stderr[-4000:], file=sys.stderr)
    return {"reader": name, "outcomes": {}, "wrong": [crash], "memory": 0, "slowest": 0.0, "files": 0, "limited": True}


def read_shard(name: str, seed: int, first: int, count: int, keep: Path) -> dict[str, Any]:
    """Damage and read `count` files from the first-th; what came of them."""
    import hypothesis
    from cases import damaged
    from generated import generated
    from hypothesis import HealthCheck, Phase
    from judge import SECONDS, Bench, memory_is_limited
    from readers import READERS

    warnings.simplefilter("error")
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    worst = {"memory": 0, "slowest": 0.0}
    with tempfile.TemporaryDirectory(dir=_memory_disk()) as folder:
        bench = Bench(READERS[name], Path(folder))
        limited = memory_is_limited()

        def judge(k: int, changed: dict[str, bytes], label: str, by_hand: bool) -> None:
            faulthandler.dump_traceback_later(10 * SECONDS, exit=True)  # where not even a signal gets through
            verdict = bench.judge(k, changed, by_hand)
            faulthandler.cancel_dump_traceback_later()
            outcomes[verdict.outcome if verdict.allowed else "wrong"] += 1
            worst["memory"], worst["slowest"] = (
                max(worst["memory"], verdict.memory),
                max(worst["slowest"], verdict.seconds),
            )
            if not verdict.allowed:
                place = keep / f"{name.replace(' ', '-')}-{seed}-{label}"
                place.mkdir(parents=True, exist_ok=True)
                for file, content in {**bench.cases[k], **changed}.items():
                    (place / file).write_bytes(content)
                wrong.append(f"{place}: {verdict.outcome}")

        by_hypothesis = count // EACH
        for n in range(first, first + count - by_hypothesis):
            judge(*damaged(bench.cases, name, seed, n), str(n), False)

        numbers = iter(range(10**9))

        @hypothesis.seed(seed * 1_000_003 + first)
        @hypothesis.settings(
            max_examples=max(1, by_hypothesis), database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        @hypothesis.given(generated(name, bench.cases))
        def judge_made(case: tuple[int, dict[str, bytes]]) -> None:
            judge(*case, f"made-{first}-{next(numbers)}", True)

        if by_hypothesis:
            judge_made()
    return {
        "reader": name,
        "outcomes": outcomes,
        "wrong": wrong,
        **worst,
        "files": sum(outcomes.values()),
        "limited": limited,
    }


def replay(name: str, folder: Path) -> int:
    """Read what was kept."""
    from judge import Bench
    from readers import READERS

    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as shelf:
        bench = Bench(READERS[name], Path(shelf))
        verdict = bench.judge_folder(folder)
    print(verdict)
    try:
        print(bench.reader.read(folder))
    except Exception as error:
        import traceback

        traceback.print_exception(error)
    return 0 if verdict.allowed else 1


def report(names: list[str], told: list[dict[str, Any]]) -> int:
    """Print the table; 1 if anything in it must not be."""
    wrong = [line for each in told for line in each["wrong"]]
    print(f"{'reader':<16}{'files':>8}{'right':>8}{'refused':>9}{'else':>6}{'memory':>10}{'slowest':>10}  errors")
    for name in [*names, "all"]:
        of = [each for each in told if name in (each["reader"], "all")]
        counts = sum((Counter(each["outcomes"]) for each in of), Counter())
        files, right = sum(each["files"] for each in of), counts["right"]
        errors = {kind: count for kind, count in counts.items() if kind not in ("right", "wrong")}
        odd = sum(len(each["wrong"]) for each in of)
        memory, slowest = max(each["memory"] for each in of) / 1e6, max(each["slowest"] for each in of)
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(errors.items()))
        refused = sum(errors.values())
        print(f"{name:<16}{files:>8}{right:>8}{refused:>9}{odd:>6}{memory:>7.1f} MB{slowest:>8.2f} s  {kinds}")
    if not all(each["limited"] for each in told):
        print("memory was not limited: this system does not say how much a process has")
    for line in wrong[:50]:
        print(line)
    return 1 if wrong else 0


def _memory_disk() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    began = time.perf_counter()
    code = main()
    if "--shard" not in sys.argv:
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
