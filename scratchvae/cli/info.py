"""scratchvae info."""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import scratchvae
from scratchvae.backend import get_backend, to_numpy
from scratchvae.cli.arguments import JSON, MODEL, Commands, add_command, print_json, read_model
from scratchvae.cli.outputs import column_names
from scratchvae.cli.tables import schema_of
from scratchvae.errors import BackendError
from scratchvae.io import describe_file
from scratchvae.tables import TableSchema
from scratchvae.tables.column import printable
from scratchvae.tables.schema import SCHEMA_ENTRY

COLUMNS_SHOWN = 20


def add_commands(commands: Commands) -> None:
    """Add `info`."""
    parser = add_command(
        commands,
        "info",
        run,
        "show versions and backends, or the contents of a model file",
        "scratchvae info runs/digits",
    )
    model, *others = MODEL
    model = model._replace(nargs="?", help=f"{model.help} (default: show the installation)")
    parser.add_options((model, *others, JSON))


def run(args: argparse.Namespace) -> int:
    """Print the facts on the installation or on a model."""
    if args.model:
        model = read_model(args)
        content = {**describe_file(args.model), **model_facts(model, lists=args.json)}
        if (table := schema_of(model)) is not None:
            content |= _table_facts(table, content["metadata"], args.json)
    else:
        content = installation()
    if args.json:
        print_json(content)
    else:
        for name, fact in content.items():
            _print_fact(name, fact)
    return 0


def installation() -> dict[str, Any]:
    """The versions and the backends of this installation."""
    blas = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {})
    return {
        "scratchvae": scratchvae.__version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "numpy": np.__version__,
        "BLAS": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
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


def model_facts(model: Any, lists: bool = False) -> dict[str, Any]:
    """The class, the configuration and the parameters of a model."""
    logvar = model.params.get("likelihood.logvar")
    sigma = {} if logvar is None else {"learned sigma": _in_data_units(model, float(np.exp(to_numpy(logvar)[0] / 2)))}
    return {
        "model": type(model).__name__,
        **model.to_config(),
        **sigma,
        "schema": model.schema.as_json() if lists else model.schema.describe(),
        "metadata": model.metadata,
        "parameters": {name: list(array.shape) for name, array in model.params.items()},
        "number of parameters": int(model.theta.size),
    }


def _table_facts(table: TableSchema, metadata: dict[str, Any], lists: bool) -> dict[str, Any]:
    """The columns of the table of a model, and its metadata, of which they are a part."""
    others = {name: value for name, value in metadata.items() if name != SCHEMA_ENTRY}
    if lists:
        return {"metadata": others, SCHEMA_ENTRY: json.loads(table.to_json())}
    columns = {printable(column.name): f"{column.kind}, {column.describe()}" for column in table.columns}
    return {"metadata": others, "likelihood": "one for each kind of column", "column": columns}


def _in_data_units(model: Any, sigma: float) -> Any:
    """σ in the units of the data: a number, or one for each column, by its name; of many columns, the extremes."""
    if model.scale.is_identity:
        return sigma
    sigmas = sigma * np.broadcast_to(model.scale.factor, model.input_dim)
    if len(sigmas) > COLUMNS_SHOWN:
        return {"smallest": float(sigmas.min()), "largest": float(sigmas.max())}
    return dict(zip(column_names(model), sigmas.tolist(), strict=True))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed; pip install 'scratchvae[cli]'"


def _print_fact(name: str, fact: Any) -> None:
    if isinstance(fact, dict):
        for inner, value in fact.items():
            print(f"{f'{name}: {inner}':<28} {_readable(value)}")
    else:
        print(f"{name:<28} {_readable(fact)}")


def _readable(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        separator = " to " if any(isinstance(n, float) for n in value) else " × "  # a range, or a shape
        return separator.join(map(_readable, value))
    return str(value)
