"""scratchvae info."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import scratchvae
from scratchvae.backend import get_backend, to_numpy
from scratchvae.cli.arguments import JSON, MODEL, Commands, add_command, print_json, read_model
from scratchvae.cli.options import add_options
from scratchvae.errors import BackendError
from scratchvae.io import describe_file


def add_commands(commands: Commands) -> None:
    """Add `info`."""
    parser = add_command(
        commands,
        "info",
        run,
        "show the backends, libraries and versions in use, or what a model file holds",
        "scratchvae info runs/digits",
    )
    model, *others = MODEL
    add_options(parser, (model._replace(nargs="?"), *others, JSON._replace(help="print it as JSON")))


def run(args: argparse.Namespace) -> int:
    """Print the installation, or one model."""
    content = {**describe_file(args.model), **model_facts(read_model(args))} if args.model else installation()
    if args.json:
        print_json(content)
    else:
        for name, fact in content.items():
            _print_fact(name, fact)
    return 0


def installation() -> dict[str, Any]:
    """What this installation computes with."""
    blas = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {})
    return {
        "scratchvae": scratchvae.__version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "numpy": np.__version__,
        "BLAS": f"{blas.get('name', 'none that NumPy knows of')} {blas.get('version', '')}".strip(),
        "CPU": _working("numpy"),
        "CPU, compiled": _working("native"),
        "GPU": _working("cupy"),
        **{name: _version(name) for name in ("matplotlib", "tqdm")},
    }


def _working(backend: str) -> str:
    try:
        get_backend(backend)
    except BackendError as error:
        return str(error)
    return f"backend '{backend}' works"


def model_facts(model: Any) -> dict[str, Any]:
    """What one model is."""
    logvar = model.params.get("likelihood.logvar")
    learnt = {} if logvar is None else {"sigma, learnt": float(np.exp(to_numpy(logvar)[0] / 2))}
    return {
        "model": type(model).__name__,
        **model.to_config(),
        **learnt,
        "notes": model.metadata,
        "parameters": {name: list(array.shape) for name, array in model.params.items()},
        "parameters in all": int(model.theta.size),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed; pip install 'scratchvae[cli]'"


def _print_fact(name: str, fact: Any) -> None:
    if isinstance(fact, dict):
        for inner, value in fact.items():
            print(f"{f'{name}: {inner}':<28} {_plain(value)}")
    else:
        print(f"{name:<28} {_plain(fact)}")


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    return " × ".join(str(n) for n in value) if isinstance(value, list) else str(value)
