"""Run every demo as a notebook, from its first cell to its last, in a kernel of its own.

    python tests/run_notebooks.py --out build/notebooks [NAME …]

Writes the notebooks with their output, and exits with 1 if a cell fails, if there is a warning, or if a demo that draws
a picture shows none. Needs jupytext, nbclient and ipykernel.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIGITS = Path("scratchvae/datasets/digits.npz")
SLOW = (
    "anomalies", "autoencoder_beside_vae", "balance", "bound", "conditional", "convolutions", "denoising",
    "disentanglement", "embedding", "faces", "imputation", "likelihoods", "semi_supervised",
)  # fmt: skip
QUICK = {
    **{name: ["--quick"] for name in SLOW},
    "benchmark": [
        *("--data", "digits", "--only", "products", "--batch", "16", "--hidden", "8", "--rounds", "2"),
        *("--seconds", "0.01", "--after", "9", "4", "--picture", "runs/benchmark.png"),
    ],
    "bug_museum": ["--only", "4", "--epochs", "2", "--out", "runs/bug-museum.png"],
    "readme_pictures": ["--only", "digits", "--epochs", "2", "--out", "runs"],
    "scale": ["--quick", "--rounds", "2", "--seconds", "0.005", "--out", "runs/scale.png"],
    "subnormals": [
        *("--data", "digits", "--rows", "80", "--epochs", "2", "--batch", "16", "--hidden", "8"),
        *("--only", "scratchvae", "without-flush", "--out", "runs/subnormals.png"),
    ],
}
LEFT_OUT = {"gpu_check": "needs a GPU", "published_results": "takes hours"}
MAIN = "main([] if"  # a demo with options takes none in a notebook; here, the slow ones get quick ones
SECONDS = 900  # for a cell


def run_notebook(name: str, folder: Path) -> str:
    """Run a demo in `folder`, write it there with its output, and return what is wrong with it, or ""."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    text = (folder / f"{name}.py").read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    last = notebook.cells[-1]
    if name in QUICK:
        if MAIN not in last.source:
            return f"its last cell does not call {MAIN} …"
        last.source = last.source.replace(MAIN, f"main({QUICK[name]!r} if")
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS,
        startup_timeout=SECONDS,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        return str(error)
    finally:
        nbformat.write(notebook, folder / f"{name}.ipynb")
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    if warnings := [text for text in texts if "Warning" in text]:
        return f"it warns: {warnings[0]}"
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    if "save_picture(" in text and not shown:
        return "it draws a picture and shows none"
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run every demo as a notebook.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="demos to run, without .py (default: all)")
    parser.add_argument("--out", type=Path, default=Path("build/notebooks"), metavar="FOLDER")
    args = parser.parse_args(arguments)
    known = sorted(path.stem for path in (ROOT / "demos").glob("*.py"))
    if unknown := sorted(set(args.names) - set(known)):
        parser.error(f"{unknown[0]}: expected a name of {', '.join(known)}")
    folder = args.out.resolve() / "demos"  # a copy: a notebook runs in its own folder, and writes its pictures there
    shutil.rmtree(args.out, ignore_errors=True)
    shutil.copytree(ROOT / "demos", folder, ignore=shutil.ignore_patterns("__pycache__", "pictures", "runs", "*.ipynb"))
    (folder.parent / DIGITS).parent.mkdir(parents=True)
    shutil.copy(ROOT / DIGITS, folder.parent / DIGITS)  # which the demo on one page finds beside its folder
    failed = []
    for name in args.names or known:
        if name in LEFT_OUT:
            print(f"{name:24} left out: it {LEFT_OUT[name]}", flush=True)
            continue
        start = time.perf_counter()
        problem = run_notebook(name, folder)
        print(f"{name:24} {time.perf_counter() - start:5.0f} s  {problem or 'runs'}", flush=True)
        failed += [name] if problem else []
    print(f"{len(failed)} of {len(args.names or known)} demos failed{': ' * bool(failed)}{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
