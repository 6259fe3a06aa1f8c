"""The schema of a model's data: the names of columns and classes, the shape of pictures, and the scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from scratchvae.errors import ConfigError
from scratchvae.models.scale import Scale
from scratchvae.validation import join_choices, short_repr

Name = str | int


class Schema(NamedTuple):
    """The data of a model, learned when training begins, kept in its file, and applied to all rows ever after.

    columns   names of the columns (D,) of a table; None: they have no names
    shape     (height, width) or (height, width, channels) of pictures; None: rows are no pictures
    classes   names of the classes (K,), texts or numbers; None: 0 to K − 1
    scale     the units of the data: see `Scale`; None: not learned yet
    """

    columns: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    classes: tuple[Name, ...] | None = None
    scale: Scale | None = None

    def as_json(self) -> dict[str, Any]:
        """The schema as values of JSON."""
        lists = {name: None if value is None else list(value) for name, value in self._asdict().items()}
        return {**lists, "scale": None if self.scale is None else self.scale.as_json()}

    @classmethod
    def from_json(cls, content: Any, columns: int, classes: int) -> Schema:
        """The schema of `as_json` for a model of `columns` columns and `classes` classes. Raises ConfigError."""
        if not isinstance(content, Mapping) or set(content) != set(cls._fields):
            raise ConfigError("the schema of the data is damaged")
        names = {name: None if content[name] is None else tuple(content[name]) for name in ("columns", "classes")}
        for name, expected in (("columns", columns), ("classes", classes)):
            value: Any = names[name]
            kinds = (str,) if name == "columns" else (str, int)
            if value is not None and (
                len(value) != expected or len(set(value)) != expected or not all(type(n) in kinds for n in value)
            ):
                raise ConfigError(f"the {name} of the schema are damaged: expected {expected} different names")
            if isinstance(content[name], str):
                raise ConfigError(f"the {name} of the schema are a text; expected {expected} names")
        shape = None if content["shape"] is None else tuple(content["shape"])
        whole = shape is None or (len(shape) in (2, 3) and all(type(n) is int for n in shape))
        if shape is not None and (not whole or prod(shape) != columns):
            raise ConfigError(f"the shape of the schema is damaged: expected that of pictures of {columns} numbers")
        scale = None if content["scale"] is None else Scale.from_json(content["scale"], columns)
        return cls(names["columns"], shape, names["classes"], scale)

    def describe(self) -> dict[str, str]:
        """Its entries in words, for people."""
        entries = {"columns": self.columns, "classes": self.classes}
        text = {name: join_choices(list(map(str, names)), 150) for name, names in entries.items() if names is not None}
        if self.shape is not None:
            text["shape"] = " × ".join(map(str, self.shape))
        text["scale"] = "not learned yet" if self.scale is None else describe_scale(self.scale)
        return text


def describe_scale(scale: Scale) -> str:
    """A scale in words."""
    if scale.kind == "standardize":
        return "standardized: each column less its mean, divided by its standard deviation"
    if scale.kind == "common":
        return "common: each column less its mean, all divided by the root of their mean variance"
    if scale.kind == "minmax":
        return "minmax: each column less its minimum, divided by its range"
    return "none" if scale.kind == "none" else f"divided by {scale.kind}"


def check_names(classes: Any) -> tuple[Name, ...]:
    """Names of classes as a tuple of different texts or whole numbers. Raises ConfigError."""
    listed = isinstance(classes, Sequence) or hasattr(classes, "__array__")
    names = tuple(n.item() if hasattr(n, "item") else n for n in classes) if listed and type(classes) is not str else ()
    if len(names) < 2 or len(set(names)) < len(names) or not all(type(n) in (str, int) for n in names):
        raise ConfigError(
            f"classes={short_repr(classes)}: expected their number, or at least two different names, such as "
            "['ant', 'bee']"
        )
    return names
