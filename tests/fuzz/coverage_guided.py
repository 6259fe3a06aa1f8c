"""The same readers under atheris, which looks for files that lead into lines of code where none has led before.

    pip install atheris
    python tests/fuzz/coverage_guided.py --reader csv --seconds 600

It begins with the whole cases, each file of which is one input, and changes one file of a case at a time. What a reader
must not do ends the run, and the file is kept as crash-… in the folder that is named; it runs on CPython up to 3.13,
on Linux and macOS.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", default="csv", help="which; python tests/fuzz/run.py --list names them")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default=None, metavar="DIR", help="where files go that are read wrong")
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
    with tempfile.TemporaryDirectory() as shelf:
        bench, corpus = Bench(READERS[args.reader], Path(shelf)), Path(shelf, "corpus")
        corpus.mkdir()
        files = [(k, name) for k, case in enumerate(bench.cases) for name in sorted(case)][:255]
        for n, (k, name) in enumerate(files):
            (corpus / str(n)).write_bytes(bytes([n]) + bench.cases[k][name])

        def one(content: bytes) -> None:
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
        atheris.Setup([sys.argv[0], *options, str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
