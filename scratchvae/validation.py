"""Checks of settings: each returns the checked value, or raises ConfigError with what was given and expected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from math import inf, nan
from numbers import Integral, Real
from typing import Any, TypeVar

from scratchvae.errors import ConfigError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
MAX_COUNT = 2**40  # rows, steps, sizes: more than any machine can store or train
MAX_WIDTH = 8 * MAX_COUNT  # of a layer, which may put out several numbers for each latent dimension
MAX_SEED = 2**128 - 1  # NumPy's generators use 128 bits of a seed
MAX_REPR = 60  # characters of a value in an error message
MAX_HINT = 90  # characters of the suggestion of an argument
MAX_MESSAGE = 200  # characters of an error message that lists choices

# Names of arguments in other libraries and in papers, and the names of the same arguments here.
SYNONYMS = {
    **dict.fromkeys(("z_dim", "latent", "latent_size", "latent_dims", "n_components"), "latent_dim"),
    **dict.fromkeys(("in_features", "n_features", "x_dim"), "input_dim"),
    **dict.fromkeys(("hidden_dim", "hidden_dims", "hidden_sizes", "hidden_layer_sizes"), "hidden"),
    **dict.fromkeys(("learning_rate", "learning_rate_init", "step_size"), "lr"),
    **dict.fromkeys(("n_epochs", "num_epochs", "max_epochs", "max_iter"), "epochs"),
    **dict.fromkeys(("val", "x_val", "validation_data", "validation_set"), "validation"),
    **dict.fromkeys(("n", "num", "n_samples", "num_samples", "size"), "count"),
    **dict.fromkeys(("dim", "axis"), "dimension"),
    **dict.fromkeys(("n_classes", "num_classes", "n_labels", "num_labels"), "classes"),
    **dict.fromkeys(("y", "label"), "labels"),
    **dict.fromkeys(("random_state", "rng"), "seed"),
    **dict.fromkeys(("atol", "rtol", "tol"), "tolerance"),
    "verbose": "progress",
    "early_stopping": "patience",
    "mask": "observed",
    "device": "backend",
}

# The constructor or method that has an argument, for an argument that is passed to another one.
ARGUMENTS = {
    "Trainer": ("lr", "batch_size", "optimizer", "clip_norm", "binarize", "kl_weight", "corrupt"),
    "Trainer.fit": (
        *("epochs", "validation", "progress", "patience", "labels", "validation_labels", "labelled_share", "input_std"),
        *("checkpoint", "every", "keep", "resume", "retries", "callbacks"),
    ),
    "VAE": (
        *("input_dim", "latent_dim", "hidden", "activation", "likelihood", "beta", "dtype", "backend", "init"),
        *("image_shape", "free_bits", "sigma", "missing", "encoder", "decoder", "posterior", "prior", "objective"),
    ),
    "IWAE": ("importance_samples",),
    "ConditionalVAE": ("classes",),
    "SemiSupervisedVAE": ("alpha",),
    "sv.optim.SGD": ("momentum",),
    "sv.optim.Adam": ("beta1", "beta2"),
    "sv.optim.AdamW": ("weight_decay",),
}


def shorten(text: Any, limit: int = MAX_REPR) -> str:
    """Return `text` on one line of at most `limit` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def missing_methods(part: Any) -> list[str]:
    """The methods that a base class marks as required, and that the class of `part` does not implement."""
    kind = type(part)
    return [method for method in dir(kind) if getattr(getattr(kind, method, None), "required", False)]


def join_choices(choices: Sequence[str], limit: int) -> str:
    """Return the choices between commas, the last ones as "…" if that takes more than `limit` characters."""
    listed = ", ".join(choices)
    if len(listed) <= limit:
        return listed
    return ", ".join([*listed[: max(0, limit - 2)].split(", ")[:-1], "…"])


def short_repr(value: Any) -> str:
    """Return `repr(value)` on one line of at most 60 characters, for an error message."""
    try:
        text = repr(value)
    except Exception:  # an int of more than 4300 digits, or a user's own __repr__
        text = f"<{type(value).__qualname__} that cannot be printed>"
    return shorten(text)


CUTOFF = 0.65  # of difflib: nope is no income


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names, ignoring case; None if none is similar.

    Names are also similar if one consists of the initials of the other, as lr and learning_rate, or if one is a word
    that only the other contains, as decay and weight_decay.
    """
    from difflib import get_close_matches

    if not isinstance(name, str) or not name.strip():
        return None
    names = {_fold(candidate): candidate for candidate in known}
    folded = _fold(name[:MAX_REPR])
    close = [candidate for candidate in names if folded in (candidate, _initials(candidate))]
    close += [candidate for candidate in names if candidate == _initials(folded)]
    containing = [candidate for candidate in names if folded in candidate.split("_")]
    close += containing if len(containing) == 1 else []
    close += get_close_matches(folded, names, 1, CUTOFF)
    return names[close[0]] if close else None


def suggestion(name: Any, known: Iterable[str]) -> str:
    """The question "; did you mean …?" with the nearest of the `known` names; "" if none is similar."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near!r}?"


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _initials(name: str) -> str:
    words = name.split("_")
    return "".join(word[:1] for word in words) if len(words) > 1 else name


def suggest_arguments(function: F) -> F:
    """Decorate a function or method: a keyword argument that it does not have raises ConfigError with a suggestion.

    The suggestion is an argument of the function or, for a method, of the same method of a subclass. For models and
    trainers it may also be the constructor or method that has the argument.
    """
    accepted = accepted_arguments(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and (unknown := kwargs.keys() - accepted):
            raise unknown_argument(function, args, unknown)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def accepted_arguments(function: Callable[..., Any]) -> frozenset[str]:
    """The names of the arguments of a function, which may be decorated."""
    code = _undecorated(function).__code__
    return frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def unknown_argument(function: Callable[..., Any], args: tuple[Any, ...], unknown: Iterable[str]) -> ConfigError:
    """The error of `suggest_arguments` for a call of a function with `args` and the `unknown` arguments."""
    return ConfigError(_unknown_argument(_undecorated(function), args, min(unknown)))


def _undecorated(function: Any) -> Any:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _unknown_argument(function: Any, args: tuple[Any, ...], name: str) -> str:
    """The message for a call of a plain function with `args` and an argument `name` that it does not have."""
    method, kind = function.__name__, type(args[0]) if args else None
    if kind is not None and any(method in vars(base) for base in kind.__mro__):
        caller = kind.__name__ if method == "__init__" else f"{kind.__name__}.{method}"
        known = _arguments_of([vars(base)[method] for base in kind.__mro__[:-1] if method in vars(base)])
    else:
        caller, known = method, _arguments_of([function])
    bases = {base.__name__ for base in kind.__mro__} if kind is not None else set()
    anywhere = method in ("__init__", "fit") and not bases.isdisjoint(("Model", "Trainer"))
    hint = _argument_hint(name, known, caller, anywhere)
    return f"{shorten(caller, 40)} has no argument {shorten(name, 40)}: {shorten(hint, MAX_HINT)}"


def _argument_hint(name: str, known: Sequence[str], caller: str, anywhere: bool) -> str:
    """The known argument that `name` may mean or, with `anywhere`, the owner of such an argument in `ARGUMENTS`."""
    synonym = SYNONYMS.get(_fold(name), name)
    if synonym in known:
        return f"did you mean {synonym}?"
    owners = {argument: owner for owner, names in ARGUMENTS.items() for argument in names} if anywhere else {}
    near = None if synonym in owners else nearest(name, known)
    if near is not None:
        return f"did you mean {near}?"
    elsewhere = synonym if synonym in owners else nearest(name, owners)
    if elsewhere is not None:
        return f"{elsewhere} is an argument of {owners[elsewhere]}"
    listed = f"expected {', '.join(known)}"
    return listed if len(listed) <= MAX_HINT else f"see help({caller})"


def _arguments_of(functions: Iterable[Callable[..., Any]]) -> list[str]:
    """The named arguments of the functions."""
    import inspect

    parameters = [parameter for function in functions for parameter in inspect.signature(function).parameters.values()]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in named and parameter.name != "self"]


def check_int(name: str, value: Any, minimum: int = 1, maximum: int = MAX_COUNT) -> int:
    """Return `value` as an int. Raises ConfigError unless it is a whole number from `minimum` to `maximum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at least {minimum}")
    if int(value) > maximum:
        raise ConfigError(f"{name}={short_repr(value)}: expected a whole number of at most {maximum}")
    return int(value)


def check_seed(value: Any, name: str = "seed") -> int:
    """Return `value` as a seed of random numbers. Raises ConfigError unless it is a whole number from 0."""
    return check_int(name, value, minimum=0, maximum=MAX_SEED)


def check_ints(name: str, values: Any, example: str = "such as (512,) or (500, 500)") -> tuple[int, ...]:
    """Return `values` as a tuple of ints. Raises ConfigError unless it is a sequence of positive whole numbers."""
    if isinstance(values, str | bytes | range) or not isinstance(values, Sequence):
        raise ConfigError(f"{name}={short_repr(values)}: expected a tuple of whole numbers, {example}")
    return tuple(check_int(f"{name}[{index}]", value) for index, value in enumerate(values))


def check_height_and_width(name: str, values: Any) -> tuple[int, int]:
    """Return the height and width of a picture. Raises ConfigError unless they are two positive whole numbers."""
    example = "(height, width), such as (64, 64)"
    sides = check_ints(name, values, example)
    if len(sides) != 2:
        raise ConfigError(f"{name}={short_repr(values)}: expected {example}")
    return sides[0], sides[1]


def check_picture_shape(name: str, values: Any) -> tuple[int, ...]:
    """Return the shape of a picture, of any length. Raises ConfigError unless it is a tuple of whole numbers."""
    return check_ints(name, values, "(height, width) or (height, width, channels), such as (64, 64)")


def check_float(name: str, value: Any, minimum: float = 0.0) -> float:
    """Return `value` as a float. Raises ConfigError unless it is a finite number of at least `minimum`."""
    try:
        number = nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = inf
    if not minimum <= number < inf or number == -inf:
        bound = "" if minimum == -inf else f" of at least {minimum:g}"
        raise ConfigError(f"{name}={short_repr(value)}: expected a finite number{bound}")
    return number


def check_positive(name: str, value: Any) -> float:
    """Return `value` as a float. Raises ConfigError unless it is a positive finite number."""
    try:
        number = check_float(name, value)
    except ConfigError:
        number = 0.0
    if number == 0.0:
        raise ConfigError(f"{name}={short_repr(value)}: expected a positive number, such as 1e-3") from None
    return number


def check_fraction(name: str, value: Any) -> float:
    """Return `value` as a float. Raises ConfigError unless it is in [0, 1)."""
    if not check_float(name, value) < 1:
        raise ConfigError(f"{name}={short_repr(value)}: expected a number from 0 up to, not including, 1")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`. Raises ConfigError unless it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        text, hint = f"{name}={short_repr(value)} is unknown; choose one of ", suggestion(value, choices)
        raise ConfigError(text + join_choices(choices, MAX_MESSAGE - len(text) - len(hint)) + hint)
    return value


def check_bool(name: str, value: Any) -> bool:
    """Return `value`. Raises ConfigError unless it is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={short_repr(value)}: expected True or False")
    return value


def check_path(name: str, value: Any, example: str) -> str:
    """Return `value` as a str. Raises ConfigError unless it is a str or an `os.PathLike` with a str path."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise ConfigError(f"{name}={short_repr(value)}: expected a path, such as {example!r}")
    return path


def check_type(name: str, value: Any, kind: type[T] | tuple[type[T], ...], expected: str) -> T:
    """Return `value`. Raises ConfigError unless it is an instance of `kind`, described as `expected` in the message."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name}={short_repr(value)}: expected {expected}")
    return value


def check_callable(name: str, value: Any, expected: str) -> Callable[..., Any]:
    """Return `value`. Raises ConfigError unless it is callable and not a class, since calling a class constructs."""
    if not callable(value) or isinstance(value, type):
        raise ConfigError(f"{name}={short_repr(value)}: expected {expected}")
    return value  # type: ignore[no-any-return]
