"""The same readers under atheris, which searches for files that reach new lines of code.

    pip install atheris
    python tests/fuzz/coverage_guided.py --reader csv --seconds 600

It starts with the files of the valid cases, each one input, and changes one file of a case at a time. A forbidden
result ends the run, and the file is saved as crash-… in the folder of --keep. atheris needs CPython up to 3.13 on Linux
or macOS.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", default="csv", help="a name of python tests/fuzz/run.py --list")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default=None, metavar="DIR", help="folder for files with a forbidden result")
    args = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris")
    with atheris.instrument_imports(include=["scratchvae", "zipfile", "csv", "json", "PIL"]):
        from judge import Bench
        from readers import READERS
    keep = Path(args.keep or Path(tempfile.gettempdir(), "scratchvae-fuzz"))
    keep.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as scratch:
        bench, corpus = Bench(READERS[args.reader], Path(scratch)), Path(scratch, "corpus")
        corpus.mkdir()
        files = [(k, name) for k, case in enumerate(bench.cases) for name in sorted(case)][:255]
        for n, (k, name) in enumerate(files):
            (corpus / str(n)).write_bytes(bytes([n]) + bench.cases[k][name])

        def check(content: bytes) -> None:
            k, name = files[content[0] % len(files) if content else 0]
            verdict = bench.judge(k, {name: content[1:]})
            if not verdict.allowed:
                raise AssertionError(f"{name} of case {k}: {verdict}")

        options = [
            f"-max_total_time={args.seconds}",
            f"-seed={args.seed}",
            "-max_len=65536",
            f"-artifact_prefix={keep}/",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
