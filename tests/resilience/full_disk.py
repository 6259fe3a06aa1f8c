"""Fill the disk at random moments of training and check the message, the remaining files and the resumed run.

    python tests/resilience/full_disk.py [--moments N] [--seed N] [--rows mnist|digits]

The run is that of kill.py. The disk is a private tmpfs with the size of some checkpoints, mounted in a private
namespace (Linux, as root or with user namespaces). At a random update, or before the first one,

    space     a random number of bytes stays free, fewer than a checkpoint needs
    growing   another file grows from the start of the run until the disk is full
    inodes    no further file can be created, or only one, so that the previous checkpoint cannot be linked
    limit     no file of this process may exceed a number of bytes (RLIMIT_FSIZE); the only way without a tmpfs
    command   space or growing, while `scratchvae train --checkpoint` runs
    outputs   space, while `scratchvae train`, `save` and `to_csv` write models, records and pictures

Each time a FileError, or the command with exit code 2, must name in one line the file that cannot be written and the
reason; the last checkpoint must be readable and in its place, without temporary files or a lock; resuming on the full
disk must be refused in the same way and change nothing; and with free space again, the resumed run must end with the
bits of the run that never lacked space. The exit code is 1 if any of this fails.
"""

import argparse
import os
import random
import sys
import time
from importlib.util import find_spec

from command_scenarios import CommandScenarios
from resumable_run import real_rows
from small_disk import INODES, rerun_in_mount_namespace, small_disk

WAYS = {"space": 0.3, "growing": 0.15, "inodes": 0.15, "limit": 0.15, "command": 0.15, "outputs": 0.1}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", choices=["mnist", "digits"], help="default: mnist if available")
    parser.add_argument("--mounts", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not args.mounts and (code := rerun_in_mount_namespace(__file__, arguments or sys.argv[1:])) is not None:
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
            while not moments.try_moment(way):  # the disk did not run full in this run
                pass
    print(f"{'the disk is full by':<24}{'moments':>9}{'good':>9}")
    for way in ways:
        print(f"{way:<24}{moments.done[way, 'full']:>9}{moments.done[way, 'good']:>9}")
    print(f"fit stopped when {', '.join(f'{stage} ({count})' for stage, count in sorted(moments.stages.items()))}")
    good = sum(moments.done[way, "good"] for way in ways)
    print(f"{good} of {len(plan)} were reported and resumed correctly; {time.perf_counter() - began:.0f} s")
    for fault in moments.faults:
        print(f"FAULT {fault}")
    return int(bool(moments.faults))


if __name__ == "__main__":
    sys.exit(main())
