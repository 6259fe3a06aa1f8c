"""scratchvae export."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scratchvae.cli.arguments import MODEL, Commands, add_command, read_model
from scratchvae.cli.messages import count_of
from scratchvae.cli.options import Option, refuse
from scratchvae.cli.outputs import check_output_path
from scratchvae.cli.tables import schema_of
from scratchvae.disk import atomic_write
from scratchvae.errors import ConfigError
from scratchvae.export import PARTS, as_numpy_source, onnx, to_torch_state_dict
from scratchvae.export.parts import METHODS, check_importable, check_replaceable, input_names, output_names
from scratchvae.io.archive import write_arrays

SUFFIXES = {"onnx": ".onnx", "torch": ".npz", "numpy": ".py"}


def add_commands(commands: Commands) -> None:
    """Add `export`."""
    parser = add_command(
        commands,
        "export",
        run,
        "write a model in a format of other programs",
        "scratchvae export runs/digits --format numpy --out encoder.py",
    )
    model, _ = MODEL
    form = Option(
        "format",
        "onnx: a file for onnxruntime and others; torch: the weights in the layout of torch.nn, as .npz; numpy: a "
        "Python file that needs NumPy alone, with the weights beside it",
        choices=tuple(SUFFIXES),
        default="onnx",
        common=True,
    )
    part = Option(
        "part",
        "encoder: codes of rows; decoder: rows of codes; reconstruct: both (default: encoder; torch has all networks)",
        choices=PARTS,
        common=True,
    )
    out = Option(
        "out",
        "a file that ends in .onnx, .npz or .py (default: PART.onnx, weights.npz or PART.py)",
        metavar="FILE",
        common=True,
    )
    parser.add_options((model, form, part, out))
    parser.set_defaults(backend="numpy")


def run(args: argparse.Namespace) -> int:
    """Write the files, and say how to use them."""
    if args.format == "torch":
        refuse(args, "with --format torch, which has the weights of all networks: leave it out", "part")
    part: str = getattr(args, "part", "encoder")
    suffix = SUFFIXES[args.format]
    out: str = getattr(args, "out", f"weights{suffix}" if args.format == "torch" else f"{part}{suffix}")
    check_output_path(out, (suffix,))
    path = Path(out)
    if args.format == "numpy":
        check_importable("--out ", path)
    model = read_model(args)
    schema = schema_of(model)
    if schema is not None and args.format != "torch" and part != "encoder":
        raise ConfigError(
            f"--part {part}: {args.model} is of a table of several kinds of columns, of which only the encoder can be "
            "exported; leave --part out, or use --format torch"
        )
    if schema is not None:
        print(f"x are {schema.width} numbers a row, those of sv.tables.TableSchema.encode: see the guide to your data")
    if args.format == "torch":
        print(f"wrote {out}: {_write_weights(model, path)}")
        return 0
    inputs, outputs = input_names(model, part), ", ".join(output_names(model, part))
    if args.format == "onnx":
        onnx(model, out, part)
        feed = ", ".join(f'"{name}": {name}' for name in inputs)
        outputs += "," * (outputs in ("mean", "z"))  # run returns a list
        print(f'wrote {out}: {outputs} = onnxruntime.InferenceSession("{out}").run(None, {{{feed}}})')
    else:
        as_numpy_source(model, out, part)
        call = f"{outputs} = {METHODS[part]}({', '.join(inputs)})"
        print(f"wrote {out} and {path.with_suffix('.npz')}: from {path.stem} import {METHODS[part]}; {call}")
    return 0


def _write_weights(model: Any, path: Path) -> str:
    """Write the state dict to an .npz file; return its contents and its use in words."""
    check_replaceable(path)
    state = to_torch_state_dict(model)
    with atomic_write(path) as file:
        write_arrays(file, state)
    return f"{count_of(len(state), 'array')}; {{k: torch.from_numpy(a) for k, a in numpy.load({str(path)!r}).items()}}"
