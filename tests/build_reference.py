"""Build the reference from the docstrings as HTML:  python tests/build_reference.py --out build/docs

A warning of pdoc is an error.
"""

import argparse
import sys
import warnings
from importlib import import_module
from inspect import isclass
from pathlib import Path

import pdoc
from pdoc import doc_types

# `scratchvae` lists what most people use; these packages have classes to derive from, and are not in its `__all__`
MODULES = ("scratchvae", "scratchvae.models", "scratchvae.memory", "scratchvae.backend")


def imported_modules():
    """Every module of the package that is imported by now."""
    return [module for name, module in sorted(sys.modules.items()) if name.partition(".")[0] == "scratchvae"]


def resolve_lazy_names(module):
    """Store what the module's `__getattr__` imports on first use, for pdoc reads `module.__dict__` alone."""
    for name in getattr(module, "__all__", ()):
        setattr(module, name, getattr(module, name))


def resolve_annotations(module):
    """Evaluate the annotations of generated constructors here, for pdoc evaluates them in the wrong module."""
    for kind in [value for value in vars(module).values() if isclass(value) and value.__module__ == module.__name__]:
        for name in {"__new__", "__init__"} & vars(kind).keys():
            method = getattr(vars(kind)[name], "__func__", vars(kind)[name])
            where = f"{kind.__module__}.{kind.__qualname__}"
            method.__annotations__ = doc_types.resolve_annotations(method.__annotations__, module, None, where)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Build the reference from the docstrings, as HTML.")
    parser.add_argument("--out", type=Path, default=Path("build/docs"), metavar="FOLDER")
    args = parser.parse_args(arguments)
    for name in MODULES:
        resolve_lazy_names(import_module(name))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for module in imported_modules():
            resolve_annotations(module)
        pdoc.render.configure(docformat="numpy", math=True)
        pdoc.pdoc(*MODULES, output_directory=args.out)
    for warning in caught:
        print(f"{warning.category.__name__}: {warning.message}", file=sys.stderr)
    pages = len(list(args.out.rglob("*.html")))
    print(f"{pages} pages in {args.out}, {len(caught)} warnings")
    return 1 if caught else 0


if __name__ == "__main__":
    sys.exit(main())
