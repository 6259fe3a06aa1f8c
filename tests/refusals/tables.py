"""Refusals of schemas of tables, and of tables that do not fit them."""

import numpy as np
from refusals.table import refuse_all, row, wrong
from refusals.training import place

from scratchvae.errors import ConfigError, DataError, DTypeError, RangeError, ShapeError
from scratchvae.tables import TableSchema

TABLE = {"legs": np.array([2, 4, 6, 4]), "name": np.array(["hen", "cat", "ant", "cat"])}
NO_TABLES = wrong(DTypeError, "expected a table of pandas", None, 3, ["a"], b"a", np.ones((2, 2)))
PACKAGES = wrong(ConfigError, "choose one of", 3, "", "numpyy", ["numpy"], np)


def schema():
    return TableSchema.infer(TABLE)


def without_value(wrongs):
    """The rows without the wrong value in the message, which has its type."""
    return [w._replace(words=w.words[-1:]) for w in wrongs]


def schema_rows():
    cls = "tables.TableSchema"
    yield from refuse_all(cls, "columns", wrong(ConfigError, "expected", None, 3, [], ["a"], "ab"), TableSchema)
    yield from refuse_all(cls, "package", PACKAGES, lambda v: TableSchema(schema().columns, v))
    yield from refuse_all(cls, "table", without_value(NO_TABLES), TableSchema.infer)
    no_kinds = wrong(ConfigError, "expected a dict", 3, "name", ["name"], {"name"})
    yield from refuse_all(cls, "kinds", no_kinds, lambda v: TableSchema.infer(TABLE, kinds=v))
    for problem, kinds in {"of no column": {"nam": "number"}, "unknown": {"name": "nominal"}}.items():
        yield row(cls, "kinds", problem, lambda k=kinds: TableSchema.infer(TABLE, kinds=k), ConfigError)
    yield row(cls, "no table", "text", lambda: TableSchema.infer(place("text")), DataError, "expected a .csv")
    for method in ("encode", "fill"):
        call = (lambda v: schema().encode(v)) if method == "encode" else (lambda v: schema().fill(v, np.ones((4, 4))))
        yield from refuse_all(f"{cls}.{method}", "table", without_value(NO_TABLES[-1:]), call)
        fewer = {"legs": TABLE["legs"]}
        yield row(f"{cls}.{method}", "table", "of fewer columns", lambda c=call, t=fewer: c(t), ShapeError, "name")
    unknown = {**TABLE, "name": np.array(["yak"] * 4)}
    yield row(
        f"{cls}.encode", "name", "unknown", lambda: schema().encode(unknown), RangeError, "'yak'", "ant, cat, hen"
    )
    for method, call in {"decode": lambda v: schema().decode(v), "fill": lambda v: schema().fill(TABLE, v)}.items():
        for problem, rows, error in (("too narrow", np.ones((4, 3)), ShapeError), ("texts", [["a"] * 4], DTypeError)):
            yield row(f"{cls}.{method}", "rows", problem, lambda c=call, r=rows: c(r), error)
    yield row(f"{cls}.fill", "rows", "too few", lambda: schema().fill(TABLE, np.ones((3, 4))), ShapeError)
    yield from refuse_all(f"{cls}.fill", "package", PACKAGES, lambda v: schema().fill(TABLE, np.ones((4, 4)), v))
    yield from refuse_all(
        f"{cls}.decode", "like", without_value(NO_TABLES[1:]), lambda v: schema().decode(np.ones((2, 4)), v)
    )
    yield from refuse_all(cls, "text", wrong(ConfigError, "expected", 3, "", "{}", "[1]"), TableSchema.from_json)


ROWS = list(schema_rows())
