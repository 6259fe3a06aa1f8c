"""Mutation testing: change the sources in one place at a time, and check that a test fails.

    python tests/mutation/run.py [paths…] [--jobs N] [--tests paths…]

mutmut makes the mutants and runs each against the tests that call the mutated function, in a temporary copy of the
repository; install it with  pip install -e '.[test,mutation]'. It needs fork: Linux, macOS or WSL. Only the bodies of
functions are mutated; class and module attributes, properties and the wording of errors are not.

Survivors are printed as file:line, function, old → new. Write a test that fails for each, or list it in
equivalent.txt with the reason why no test can fail. The exit code is 1 if a survivor is not listed.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [f"scratchvae/{name}" for name in ("layers", "probability", "objectives", "optim", "fused", "models")]
FOLDERS = "layers probability objectives optim models fused verification kernels memory training evaluation refusals io"
# tests that are slow, slow to start, or that read the source of the package, which mutmut rewrites
EXCLUDED = "undetected or bug20 or torch or jax or test_oracles or test_museum or is_checked"
TESTS = [f"tests/{name}" for name in [*FOLDERS.split(), "test_backend.py"] if (ROOT / "tests" / name).exists()]
ALL, BACKWARD = "all", "of these, in backward passes"


def copy_to(folder, paths, tests):
    for name in ("scratchvae", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {
        "source_paths": ["scratchvae"],
        "only_mutate": [path if path.endswith(".py") else f"{path.rstrip('/')}/*" for path in paths],
        "do_not_mutate_patterns": [r"^\s*raise "],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "--hypothesis-profile=mutation", "-k", f"not ({EXCLUDED})"],
        "pytest_add_cli_args_test_selection": tests,
    }
    lines = ["", "[tool.mutmut]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(project + "\n".join(lines), encoding="utf-8")


def results():
    """Yield (file, function, change, line, status) of every mutant; the change is `old line → new line`."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    names = {"survived": "survived", "no tests": "survived", "timeout": "timeout", "not checked": "not run"}
    for path in sorted(walk_mutatable_files()):
        source = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        data = SourceFileMutationData(path=path)
        data.load()
        for mutant, code in data.exit_code_by_key.items():
            function, owner = orig_function_and_class_names_from_key(mutant)
            # the diff has line numbers of the function, so its old lines are searched in the file
            diff = get_diff_for_mutant(mutant, path=path).splitlines()[3:]
            old = [line[1:].strip() for line in diff if line[0] != "+"]
            begin = next(k for k, line in enumerate(source) if re.match(rf"(class|def) {owner or function}\b", line))
            begin = next((k for k in range(begin, len(source)) if source[k : k + len(old)] == old), begin)
            line = begin + 1 + next((k for k, text in enumerate(diff) if text[0] != " "), 0)
            change = " → ".join(" ".join(text[1:].strip() for text in diff if text[0] == sign) for sign in "-+")
            status = names.get(status_by_exit_code[code], "killed")
            yield str(path), f"{owner}.{function}" if owner else function, change, line, status


def read_equivalent():
    """Return {(file, function, change)} of the mutants that are equivalent to the original."""
    text = Path(__file__).with_name("equivalent.txt").read_text(encoding="utf-8")
    entries = [entry.splitlines() for entry in re.split(r"\n\s*\n", text.strip()) if not entry.startswith("#")]
    return {(*location.split(), change.strip()) for location, change, *_ in entries}


def report(mutants, equivalent, paths):
    print(f"\n\n{'':32} mutants    killed  survived   timeout   not run")
    groups = {name: Counter() for name in [*sorted({str(Path(file).parent) for file, *_ in mutants}), ALL, BACKWARD]}
    for file, function, *_, status in mutants:
        for group in (str(Path(file).parent), ALL, *[BACKWARD] * ("backward" in function)):
            groups[group][status] += 1
    for group, counts in groups.items():
        row = [counts.total(), *(counts[status] for status in ("killed", "survived", "timeout", "not run"))]
        print(f"{group:30}", *(f"{count:9}" for count in row))
    survivors = {tuple(mutant): line for *mutant, line, status in mutants if status == "survived"}
    unlisted = {mutant: line for mutant, line in survivors.items() if mutant not in equivalent}
    print(f"\n{len(survivors)} different survivors, {len(unlisted)} of them not listed as equivalent")
    for (file, function, change), line in unlisted.items():
        print(f"{file}:{line}  {function}  {change}")
    existing = {tuple(mutant) for *mutant, _, _ in mutants}
    for entry in sorted(equivalent - survivors.keys()):
        if any(Path(entry[0]).is_relative_to(path) for path in paths):
            print(
                "listed as equivalent, but", "killed:" if entry in existing else "no longer a mutant:", "  ".join(entry)
            )
    return bool(unlisted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=SOURCES, help=f"sources to mutate ({' '.join(SOURCES)})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants to test at once (all cores)")
    parser.add_argument("--tests", nargs="+", default=TESTS, help=f"tests to run ({' '.join(TESTS)})")
    args = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the jobs share the cores
    with tempfile.TemporaryDirectory() as folder:
        copy_to(Path(folder), args.paths, args.tests)
        os.chdir(folder)
        try:
            from mutmut.__main__ import cli  # it reads its settings when it is imported
        except ImportError:
            sys.exit("mutmut is not installed: pip install 'mutmut>=3.8,<4'")
        import operators

        operators.install()
        cli.main(["run", "--max-children", str(args.jobs)], standalone_mode=False)
        mutants = list(results())
        os.chdir(ROOT)
    sys.exit(report(mutants, read_equivalent(), args.paths))


if __name__ == "__main__":
    main()
