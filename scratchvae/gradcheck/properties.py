"""Property-based tests of gradients: Hypothesis draws sizes and options, and shrinks them to the smallest that fail."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from scratchvae.errors import ConfigError
from scratchvae.gradcheck.check import check
from scratchvae.gradcheck.parts import check_layer
from scratchvae.gradcheck.report import is_wrong
from scratchvae.validation import check_int, short_repr, shorten

SIZE = re.compile(r"(?:(\d+)\*?)?([A-Za-z_]\w*)?")  # "B", "3", "2*Z" or "2Z"

Shape = tuple[tuple[int, str], ...]  # a factor and the name of a size, or "" for the number alone
MakeArray = Callable[..., Any]


def properties(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    /,
    *,
    largest_size: int = 6,
    settings: Any = None,
    **inputs: Any,
) -> Callable[[], None]:
    """Return a Hypothesis test of a forward and its backward, or of a layer, at arrays of random sizes.

        test_linear = properties(forward, backward, x="B I", W="I O", b="O")  # forward(x, W, b), backward(dy, x, W, b)
        test_my_layer = properties(lambda I, O: MyLayer(I, O), x="B I")        # a function that makes the layer

    Each input is the names of its sizes: equal names are equal sizes, drawn from 1 to `largest_size`; "2*Z" is twice a
    size, "3" a number, "" a scalar. Its numbers are drawn from N(0, 1); for other numbers, pass a function of a NumPy
    Generator and of sizes by name, such as x=lambda rng, B, I: rng.random((B, I)), also for integers. The function that
    makes a layer takes sizes by name; its inputs are passed to `check_layer`.

    If a gradient is wrong, Hypothesis shrinks the sizes to the smallest ones at which it is, and the error shows the
    report there. A test fails on gradients that are wrong or not finite; points at kinks are drawn again. `settings`
    are those of Hypothesis, such as hypothesis.settings(max_examples=1000, deadline=None); by default without a
    deadline.

    Raises ConfigError for sizes that cannot be read, and if Hypothesis is not installed.
    """
    hypothesis, strategies = _hypothesis()
    check_int("largest_size", largest_size)
    if not callable(forward) or (backward is not None and not callable(backward)):
        wrong = forward if not callable(forward) else backward
        raise ConfigError(
            f"{short_repr(wrong)} is no function; expected forward and backward, or one that makes a layer"
        )
    if not inputs:
        raise ConfigError('no inputs: name the sizes of each, such as x="B I"')
    shapes = {name: _parse(name, value) for name, value in inputs.items()}
    size_names = dict.fromkeys(name for shape in shapes.values() for name in _sizes_of(shape))
    if backward is None:
        size_names |= dict.fromkeys(_arguments(forward))
    if not size_names:
        raise ConfigError('no sizes to draw: name them in the shape of an input, such as x="B I"')
    sizes = strategies.fixed_dictionaries({name: strategies.integers(1, largest_size) for name in size_names})

    def test(sizes: dict[str, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        arrays = [_draw(shape, rng, sizes) for shape in shapes.values()]
        if backward is None:
            layer = forward(**{name: sizes[name] for name in _arguments(forward)})
            report = check_layer(layer, tuple(arrays), seed=seed, directions=1, precision="double")
        else:
            report = check(forward, backward, *arrays, names=tuple(shapes), seed=seed)
        assert not is_wrong(report), f"at {', '.join(f'{k}={v}' for k, v in sizes.items())}:\n{report}"
        hypothesis.assume(report.passed)

    name = re.sub(r"\W+", "_", getattr(forward, "__name__", "forward")).strip("_")
    test.__name__ = test.__qualname__ = f"test_gradients_of_{name}"
    test.__doc__ = f"The gradients of {name} agree with finite differences at random sizes."
    drawn = hypothesis.given(sizes=sizes, seed=strategies.integers(0, 2**32 - 1))(test)
    if settings is None:  # to explain a failure takes far longer than to find it, and names lines of the checker
        phases = [phase for phase in hypothesis.settings().phases if phase.name != "explain"]
        settings = hypothesis.settings(deadline=None, phases=phases)
    return settings(drawn)  # type: ignore[no-any-return]


class DrawnGenerator(np.random.Generator):
    """A Generator whose `integers` and `choice` Hypothesis draws, so that it shrinks sizes and options.

        @given(st.data(), st.integers(0, 2**32 - 1))
        def test(data, seed):
            rng = DrawnGenerator(data.draw, seed)

    All other numbers are those of the seed.
    """

    def __init__(self, draw: Callable[..., Any], seed: int = 0) -> None:
        super().__init__(np.random.PCG64(seed))
        self._draw, self._strategies = draw, _hypothesis()[1]

    def integers(self, low: Any, high: Any = None, size: Any = None, dtype: Any = int, endpoint: bool = False) -> Any:
        """Whole numbers from `low` up to, not including, `high`, or from 0 up to `low`."""
        low, high = (0, low) if high is None else (low, high)
        return self._many(self._strategies.integers(int(low), int(high) - (not endpoint)), size, dtype)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, *_: Any, **__: Any) -> Any:
        """Items of a sequence, each as likely as Hypothesis makes it; simpler ones come first."""
        if not replace:
            return super().choice(a, size, replace, p)
        options = range(a) if isinstance(a, int) else list(a)
        return self._many(self._strategies.sampled_from(options), size, None)

    def _many(self, strategy: Any, size: Any, dtype: Any) -> Any:
        if size is None:
            return self._draw(strategy)
        shape = tuple(size) if isinstance(size, Sequence) else (int(size),)
        return np.array([self._draw(strategy) for _ in range(prod(shape))], dtype).reshape(shape)


def _hypothesis() -> tuple[Any, Any]:
    try:
        import hypothesis
        from hypothesis import strategies
    except ImportError:
        raise ConfigError("property tests need Hypothesis, which is not installed; pip install hypothesis") from None
    return hypothesis, strategies


def _parse(name: str, value: Any) -> Shape | MakeArray:
    if callable(value):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, str):
        raise ConfigError(
            f'{name}={short_repr(value)}: expected the names of its sizes, such as "B I", or a function of a Generator'
        )
    shape = []
    for word in value.replace(",", " ").split():
        match = SIZE.fullmatch(word)
        if match is None or not (match[2] or int(match[1])):
            raise ConfigError(
                f'{name}={short_repr(value)}: {shorten(word, 20)} is no size; expected names, such as "B I" or "B 2*Z"'
            )
        shape.append((int(match[1] or 1), match[2] or ""))
    return tuple(shape)


def _sizes_of(shape: Shape | MakeArray) -> list[str]:
    return _arguments(shape)[1:] if callable(shape) else [name for _, name in shape if name]


def _arguments(function: Callable[..., Any]) -> list[str]:
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


def _draw(shape: Shape | MakeArray, rng: np.random.Generator, sizes: dict[str, int]) -> Any:
    if callable(shape):
        return shape(rng, **{name: sizes[name] for name in _arguments(shape)[1:]})
    return np.asarray(rng.standard_normal([factor * sizes.get(name, 1) for factor, name in shape]))
