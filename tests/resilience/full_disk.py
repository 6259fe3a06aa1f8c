"""Lets the disk run full at random moments of training, and looks at what is told, what is left and what becomes of it.

    python tests/resilience/full_disk.py [--moments N] [--seed N] [--rows mnist|digits]

The run is that of kill.py. The disk is a tmpfs of its own, of some checkpoints' size, that this process mounts where
nobody else sees it (Linux, as root or where users may have namespaces). At a random update, or before the first one,

    room      so many bytes are left free, at random, fewer than a checkpoint takes
    growing   another file grows, beginning with the run, until nothing is free
    inodes    no further file can be made, or a single one, which is then missing when the one before is kept
    limit     no file of this process may be longer than so many bytes (RLIMIT_FSIZE); alone where there is no tmpfs
    command   room or growing, while `scratchvae train --checkpoint` runs
    outputs   room, while `scratchvae train` writes model, records and pictures, and `save` and `to_csv` theirs

Each time it has to be told in one line, by a FileError or by the command with exit code 2, which file cannot be written
and why; the last checkpoint has to be readable and where it belongs, with no half-written file and no lock beside; to
resume on the full disk has to be refused in the same way and to change nothing; and once there is room again, what is
resumed has to end with the bits of the run that had room all along. The exit code is 1 if anything is not so.
"""

import argparse
import os
import random
import sys
import time
from importlib.util import find_spec

from command_scenarios import CommandScenarios
from resumable_run import real_rows
from small_disk import INODES, in_a_room_of_its_own, small_disk

WAYS = {"room": 0.3, "growing": 0.15, "inodes": 0.15, "limit": 0.15, "command": 0.15, "outputs": 0.1}


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", choices=["mnist", "digits"], help="mnist if it is there, unless said")
    parser.add_argument("--mounts", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not args.mounts and (code := in_a_room_of_its_own(__file__, words or sys.argv[1:])) is not None:
        return code
    if find_spec("resource") is None:
        sys.exit("this platform has neither a tmpfs nor RLIMIT_FSIZE: there is no way to fill a disk")
    began = time.perf_counter()
    rng = random.Random(args.seed)
    name, *rows = real_rows(args.rows)
    options = f"size={16 if name == 'mnist' else 4}m,nr_inodes={INODES}"
    with small_disk(args.mounts, options) as disk:
        moments = CommandScenarios(disk, rows, rng)
        kind = f"a tmpfs of {options}" if args.mounts else "no tmpfs can be mounted: RLIMIT_FSIZE alone"
        print(f"{name}, {moments.updates} updates, checkpoints of {moments.size} bytes; {kind}; seed {args.seed}")
        ways = WAYS if args.mounts else {"limit": 1.0}
        plan = [*ways, *rng.choices(list(ways), ways.values(), k=max(0, args.moments - len(ways)))][: args.moments]
        for way in plan:
            while not moments.meet(way):  # there was room enough, or it came too late
                pass
    print(f"{'the disk is full by':<24}{'moments':>9}{'good':>9}")
    for way in ways:
        print(f"{way:<24}{moments.done[way, 'met']:>9}{moments.done[way, 'good']:>9}")
    print(f"fit stopped when {', '.join(f'{stage} ({count})' for stage, count in sorted(moments.stages.items()))}")
    good = sum(moments.done[way, "good"] for way in ways)
    print(f"{good} of {len(plan)} were told and gone on with as they are to be; {time.perf_counter() - began:.0f} s")
    for fault in moments.faults:
        print(f"FAULT {fault}")
    return int(bool(moments.faults))


if __name__ == "__main__":
    sys.exit(main())
