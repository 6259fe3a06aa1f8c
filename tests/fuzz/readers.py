"""Every reader of scratchvae: valid cases, the call that reads them, and the check of its result.

A case is the files of one folder: {name: content}. A new reader needs an entry in READERS.
"""

import gzip
import hashlib
import io
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import scratchvae as sv
from scratchvae.cli.config_file import read_settings
from scratchvae.cli.parser import make_parser
from scratchvae.cli.train_options import OPTIONS
from scratchvae.datasets import load, uci
from scratchvae.datasets.checksums import ArrayChecksum, read_contents
from scratchvae.datasets.idx import FILES
from scratchvae.errors import CheckpointWarning
from scratchvae.io import open_archive
from scratchvae.layers import Linear, ReLU, Sequential
from scratchvae.objectives import ELBO, ImportanceWeighted
from scratchvae.probability import DiagonalGaussian, StandardNormal
from scratchvae.training import ReduceLROnPlateau

Case = dict[str, bytes]


class Reader(NamedTuple):
    """`cases` makes valid cases; `read` reads one from a folder; `right` checks the result.

    `right(result, expected, folder, valid_checksums)`: `expected` are the results of the valid cases. A file with a
    digest is right only if its result is expected, unless the case was generated with valid checksums.
    """

    cases: Callable[[], list[Case]]
    read: Callable[[Path], Any]
    right: Callable[[Any, list[Any], Path, bool], bool]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(packed: bool, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def written_bytes(write: Callable[[Path], Any]) -> bytes:
    """The content of a file written by `write`."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "file.npz"))
        return Path(folder, "file.npz").read_bytes()


RNG = np.random.default_rng(0)
ROWS = RNG.random((10, 4), np.float32)
ARRAYS = (
    ROWS, ROWS.astype(np.float64), np.asfortranarray(ROWS), ROWS.reshape(10, 2, 2), ROWS.reshape(10, 2, 2, 1),
    ROWS > 0.5,
    (ROWS * 255).astype(np.uint8), np.where(ROWS > 0.8, np.nan, ROWS).astype(">f4"), ROWS.astype(np.float16),
    (ROWS > 0.5).astype(np.int64),
)  # fmt: skip


def is_dataset(data: Any, most: float = np.inf, every_class: bool = True) -> bool:
    """True for a data set as documented by `load`: rows of floats, a tenth of them for testing, labels of classes."""
    rows, labels = data.part("all")
    n, d = rows.shape
    splits = [split.images for split in (data.train, data.test)]
    if data.test_mask is not None:  # split by scratchvae
        held_out = rows[data.test_mask]
        if len(held_out) > n // 10 or not np.array_equal(data.test.images, held_out, equal_nan=True):
            return False
    if data.classes is not None:
        found = set() if labels is None else set(labels.tolist()) - {-1}
        known = set(range(len(data.classes)))
        if labels is None or not found <= known or (every_class and found != known):
            return False
    if data.columns is not None and len(data.columns) != d:
        return False
    return (
        n * d > 0
        and all(images.dtype in (np.float32, np.float64) and images.flags.c_contiguous for images in splits)
        and (data.image_shape is None or np.prod(data.image_shape) == d)
        and (labels is None or (labels.dtype == np.int64 and labels.shape == (n,)))
        and (most == np.inf or bool(((rows >= 0) & (rows <= most)).all()))
    )


def any_data(data: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    return is_dataset(data)


def pixels(data: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    return is_dataset(data, 1.0, every_class=False)  # the labels 0 to 9 keep their numbers if one is missing


def is_expected(result: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    return result in expected


def idx_cases() -> list[Case]:
    def content(*shape: int) -> bytes:
        return (
            struct.pack(f">{len(shape) + 1}I", 0x800 + len(shape), *shape)
            + RNG.integers(0, 10, shape, np.uint8).tobytes()
        )

    plain = dict(zip(FILES, (content(12, 3, 2), content(12), content(5, 3, 2), content(5)), strict=True))
    packed = {f"{name}.gz": gzip.compress(inside, mtime=0) for name, inside in plain.items()}
    return [plain, packed, {**dict(list(plain.items())[:2]), **dict(list(packed.items())[2:])}]


COMPRESSIONS = (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg")


def image_cases() -> list[Case]:
    from PIL import Image

    def case(ending: str, array: np.ndarray, **options: Any) -> Case:
        files = {}
        for k in range(10):
            file = io.BytesIO()
            image = Image.fromarray(np.roll(array, k))
            (image.convert(options["mode"]) if "mode" in options else image).save(
                file, options.get("format"), **options.get("more", {})
            )
            files[f"{k}.{ending}"] = file.getvalue()
        return files

    grey = RNG.integers(0, 256, (5, 4), np.uint8)
    deep = RNG.integers(0, 65536, (5, 4), np.uint16)
    return [
        case("png", grey, format="PNG"), case("png", grey, format="PNG", mode="1"), case("png", deep, format="PNG"),
        case("pgm", grey, format="PPM"), case("bmp", grey, format="BMP"),
        case("jpg", np.tile(grey, (2, 4)), format="JPEG"),
        case("jpg", grey, format="JPEG", more={"progressive": True}),
        *(case("tif", grey, format="TIFF", more={"compression": compression}) for compression in COMPRESSIONS),
        case("tif", grey, format="TIFF", mode="1", more={"compression": "group4"}), case("tif", deep, format="TIFF"),
    ]  # fmt: skip


def csv_cases() -> list[Case]:
    lines = [[f"{number:.3g}" for number in row] for row in ROWS.tolist()]
    cases = []
    for between, names, label in ((",", False, None), (";", True, "k"), ("\t", True, "a b"), (",", True, "")):
        table = [
            [*line, *([label.replace("k", str(k % 3))] if label is not None else [])] for k, line in enumerate(lines)
        ]
        table[3][1] = "NA" if names else "0.5"
        head = [["a", "b", '"c, d"', "e", *(["label"] if label is not None else [])]] if names else []
        text = "\n".join(between.join(cells) for cells in head + table)
        cases.append({"data.csv": text.encode()})
    return cases


def setting_cases() -> list[Case]:
    words = "train digits --sigma 2 --hidden 5 6 --free-bits 1 --key a --patience 3"
    typed = make_parser().parse_args(words.split())
    record = {name: value for name, value in vars(typed).items() if name not in ("run", "command", "debug")}
    import json

    return [
        {
            "config.json": json.dumps(
                {"command": record, "model": {"hidden": [5]}, "result": {"test": None}}, indent=2
            ).encode()
        },
        {"config.json": b'{"latent": 3, "batch-size": 7, "hidden": [], "lr": 1e-3, "quiet": true, "model": "iwae"}'},
    ]


def are_settings(result: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    """True if every value is valid for its option."""
    known = {option.dest: option for option in OPTIONS}
    for name, value in result.items():
        option = known[name]
        values = value if option.nargs == "*" else [value]
        if type(values) is not list or any(type(item) is not option.type for item in values):
            return False
        if (option.choices and value not in option.choices) or (
            option.type is int and any(abs(item) >= 2**63 for item in values)
        ):
            return False
    return True


def model_cases() -> list[Case]:
    shape = {"latent_dim": 2, "hidden": (3,)}
    models = [
        sv.VAE(input_dim=4, **shape, likelihood="gaussian_learned", image_shape=(2, 2)),
        sv.IWAE(input_dim=4, **shape, dtype="float64"),
        sv.Autoencoder(input_dim=4, **shape), sv.ConditionalVAE(input_dim=4, **shape, classes=3),
        sv.VAE(input_dim=4, **shape, missing=True),
        sv.VAE(
            4, 2, encoder=Sequential(Linear(4, 3), ReLU(), Linear(3, 4)), decoder=Linear(2, 4),
            posterior=DiagonalGaussian(), prior=StandardNormal(), objective=ELBO(beta=2.0, free_bits=0.1),
        ),
        sv.VAE(input_dim=4, **shape, objective=ImportanceWeighted(3)),
    ]  # fmt: skip
    models[0].metadata = {"data": "digits", "é": [1, 2.5, None]}
    cases = [written_bytes(lambda path, model=model: sv.save(model, path)) for model in models]
    cases += [
        path.read_bytes() for path in sorted(OLD_FILES.glob("format_2*.npz")) if path.stem != "format_2_checkpoint"
    ]
    return [{"model.npz": content} for content in cases]


OLD_FILES = Path(__file__).parents[1] / "io"


def old_model_cases() -> list[Case]:
    """Model files of format 1, as written by earlier versions."""
    import json

    cases = []
    for model in (sv.VAE(input_dim=4, latent_dim=2, hidden=(3,)), sv.Autoencoder(input_dim=4, latent_dim=2, hidden=())):
        header = {"format": 1, "model": type(model).__name__, "config": dict(model.config), "notes": {"data": "digits"}}
        members = {f"params/{name}": array for name, array in model.params.items()}
        cases.append({"model.npz": npz(False, scratchvae=np.array(json.dumps(header)), **members)})
    return cases


def weights(model: Any) -> tuple[Any, ...]:
    """The class, configuration, metadata and parameters of a model or encoder."""
    params = {name: (array.shape, array.dtype.str, array.tobytes()) for name, array in model.params.items()}
    whole_model = getattr(model, "model", model)  # the model of an encoder
    return type(model).__name__, whole_model.to_config(), model.metadata, params


def right_model(result: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    """True for the saved model; without digests, or with valid ones, for any consistent model."""
    kind, _, _, params = result
    if not valid_checksums and format_in(folder) > 1:
        return result in expected
    return isinstance(kind, str) and all(
        np.prod(shape) * np.dtype(dtype).itemsize == len(raw) for shape, dtype, raw in params.values()
    )


def format_in(folder: Path) -> Any:
    with open_archive(folder / "model.npz") as archive:
        return archive.format


def trainer() -> tuple[sv.Trainer, dict[str, Any]]:
    """A trainer and the arguments of its `fit`, with four updates per epoch."""
    model = sv.VAE(input_dim=4, latent_dim=2, hidden=(3,), likelihood="gaussian")
    rows = np.random.default_rng(1).normal(size=(28, 4)).astype(np.float32)
    return sv.Trainer(model, batch_size=6, seed=0), {
        "images": rows[:24],
        "validation": rows[24:],
        "patience": 2,
        "every": 3,
        "callbacks": [ReduceLROnPlateau(patience=1)],
    }


def checkpoint_cases() -> list[Case]:
    """The checkpoints after three and after four updates: each alone, and both."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.npz")
        run, arguments = trainer()
        run.fit(epochs=1, checkpoint=file, **arguments)
        written = {path.name: path.read_bytes() for path in Path(folder).glob("*.npz")}
    late, early = written.pop("run.npz"), *written.values()
    return [{"run.npz": late}, {"run.npz": early}, {"run.npz": late, next(iter(written)): early}]


def resumed(folder: Path) -> bytes:
    """The weights after a second epoch of the run resumed from the checkpoints of a folder."""
    with tempfile.TemporaryDirectory(dir=folder) as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)  # the last checkpoint is damaged, the previous one is used
        for path in folder.glob("*.npz"):
            Path(place, path.name).write_bytes(path.read_bytes())
        run, arguments = trainer()
        run.fit(epochs=2, checkpoint=Path(place, "run.npz"), resume=True, **arguments)
        return run.model.theta.tobytes()


def same_bits(result: Any, expected: list[Any], folder: Path, valid_checksums: bool) -> bool:
    """True for the bits of uninterrupted training; for files with valid checksums, any bits."""
    return valid_checksums or {result} == set(expected)


CONTENT = {"": ArrayChecksum("float32", (10, 4), hashlib.sha256(ROWS.tobytes()).hexdigest())}


def known_table() -> list[Case]:
    lines = [f"P{k} {k}.5 -{k}e-2 {'late' if k % 3 else 'early'}" for k in range(12)]
    digest = hashlib.sha256("".join(line.replace(" ", ",") + "\n" for line in lines).encode()).hexdigest()
    uci.TABLES["uci/yeast"] = uci.UCITable("yeast.data", 1, slice(1, -1), ("a", "b"), -1, digest)
    return [
        {"yeast.data": "\n".join(["names", *(line.replace(" ", between) for line in lines)]).encode()}
        for between in (" ", ",", ";")
    ]


def numbers_of_table(folder: Path) -> Any:
    rows = load("uci/yeast", folder=folder).part("all")
    return rows.images.tolist(), rows.labels.tolist()


READERS: dict[str, Reader] = {
    "npy": Reader(
        lambda: [{"data.npy": npy(array)} for array in ARRAYS], lambda folder: load(folder / "data.npy"), any_data
    ),
    "npz": Reader(
        lambda: [
            {"data.npz": npz(packed, **{name: array})}
            for array in ARRAYS
            for packed, name in ((False, "arr_0"), (True, "a"))
        ],
        lambda folder: load(folder / "data.npz"),
        any_data,
    ),
    "npz of several": Reader(
        lambda: [{"data.npz": npz(packed, a=ROWS, b=ROWS[:9], c=np.array("text"))} for packed in (False, True)],
        lambda folder: load(folder / "data.npz", key="a"),
        any_data,
    ),
    "known array": Reader(
        lambda: [{"data.npy": npy(ROWS)}, {"data.npy": npy(np.asfortranarray(ROWS))}],
        lambda folder: [array.tobytes() for array in read_contents(folder / "data.npy", CONTENT)],
        is_expected,
    ),
    "idx": Reader(idx_cases, load, pixels),
    "images": Reader(image_cases, load, pixels),
    "csv": Reader(csv_cases, lambda folder: load(folder / "data.csv"), any_data),
    "known table": Reader(known_table, numbers_of_table, is_expected),
    "settings": Reader(setting_cases, lambda folder: read_settings(str(folder / "config.json"), OPTIONS), are_settings),
    "model": Reader(model_cases, lambda folder: weights(sv.load(folder)), right_model),
    "old model": Reader(old_model_cases, lambda folder: weights(sv.load(folder / "model.npz")), right_model),
    "checkpoint": Reader(checkpoint_cases, resumed, same_bits),
    "encoder": Reader(model_cases, lambda folder: weights(sv.load_encoder(folder / "model.npz")), right_model),
}
