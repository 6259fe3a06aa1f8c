"""Where numbers stop being finite: each tensor of a step, looked at in the order in which they come to be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import DivergedError
from scratchvae.layers import NaNToZero
from scratchvae.memory import Module
from scratchvae.models import ELBOTerms, Model
from scratchvae.objectives import Objective
from scratchvae.optim import Optimizer
from scratchvae.probability import MaskedLikelihood
from scratchvae.training.hints import BETWEEN, SOURCES, WRITTEN, on_arithmetic, on_update
from scratchvae.training.nonfinite import NonFiniteTensor, diverged, find_nonfinite, largest
from scratchvae.training.tensor_names import kind_of, layer_of, modules_of, results, title

Call = Callable[..., Any]


class AnomalyDetector:
    """While it is entered, a step raises DivergedError at its first tensor that is not finite, and says which.

        with Traced(model, optimizer):
            …  # any number of steps: model.forward, model.backward, optimizer.step

    Looked at are, in this order: what comes in, x first; the parameters, and what the optimizer remembers; on the way
    forward what each piece is given and what it puts out; on the way back each gradient that is handed on, and each
    parameter's; the gradient as it comes to the optimizer, clipped or not; what that then remembers, and the
    parameters. In the data of a model of missing=True, NaN is as it should be.

    When it raises, the parameters, and what the optimizer remembers, are those before the step.

    epoch     what the error is to tell, counted from 1
    batches   the `Minibatches` that a step is given, whose `chosen` tells which rows of the data these are

    A step has the same bits, whether it is looked at or not. Each look waits for the device: this is for finding out,
    once it is known that something is wrong.
    """

    def __init__(
        self, model: Model, optimizer: Optimizer | None = None, epoch: int | None = None, batches: Any = None
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.epoch = epoch
        self.batches = batches
        self._missing = bool(model.config["missing"])
        self._number: int | None = None  # of the update that is to be made

    def __enter__(self) -> AnomalyDetector:
        """Stand between each piece and whoever calls it."""
        self._undo = ExitStack()
        self._undo.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
        for name, piece in modules_of(self.model):
            for method in dir(piece):
                if method.startswith(("forward", "backward")) or method == "product":
                    self._replace(piece, method, self._watched(name, piece, method))
        self._replace(self.model, "forward", self._watched_forward(self.model.forward))
        if self.optimizer is not None:
            self._replace(self.optimizer, "step", self._watched_step(self.optimizer, self.optimizer.step))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Step aside."""
        self._undo.close()

    def written(self, **data: Array | None) -> DivergedError | None:
        """The error that tells of what a step would begin with: its `data`, named as in `forward`, and what is kept.

        None if it is finite. To be asked as soon as something is wrong: what somebody else wrote into the parameters or
        the data is not written again where steps are made again.
        """
        try:
            self._begin(**data)
        except DivergedError as error:
            return error
        return None

    def _replace(self, of: Any, method: str, call: Call) -> None:
        own = vars(of)
        if method in own:
            self._undo.callback(setattr, of, method, own[method])
        else:
            self._undo.callback(delattr, of, method)
        setattr(of, method, call)

    def _watched_forward(self, call: Call) -> Call:
        parameters = list(inspect.signature(call).parameters)

        def forward(*given: Any, **named: Any) -> ELBOTerms:
            self._begin(**{**dict(zip(parameters, given, strict=False)), **named})
            terms: ELBOTerms = call(*given, **named)
            return terms

        return forward

    def _watched(self, name: str, piece: Any, method: str) -> Call:
        call: Call = getattr(piece, method)
        parameters, kind, who = list(inspect.signature(call).parameters), kind_of(piece, method), title(name, piece)
        own = [f"{name}.{of}" for of in piece.parameter_shapes()] if isinstance(piece, Module) else []
        own = [of for of in own if of in self.model.params]
        rows = (
            method == "forward"
            and self._missing
            and (isinstance(piece, NaNToZero | MaskedLikelihood) or name == "repeat_x")
        )

        def watched(*given: Any, **named: Any) -> Any:
            arrays = {**dict(zip(parameters, given, strict=False)), **named}
            arrays = {of: array for of, array in arrays.items() if isinstance(array, self.model.backend.array_type)}

            def advice() -> str:
                weights = largest(*(self.model.params[of] for of in own))
                return on_arithmetic(self.model, self.optimizer, piece, largest(*arrays.values()), weights)

            for of, array in arrays.items():
                self._look(array, kind, name, f"{of}, given to {who}", advice, rows and of == "x")
            given_back = call(*given, **named)
            for of in own if kind == "gradient" else ():
                self._look(self.model.grads[of], kind, layer_of(of), f"d {of}", advice)
            if given_back is not None:
                for of, array in results(name, piece, method, given_back):
                    self._look(array, kind, name, of, advice, rows and name == "repeat_x")
            if isinstance(piece, Objective) and method == "forward":  # sums can overflow where their terms do not
                for number in (*(term.sum() for term in given_back), piece.loss(given_back)):
                    self._look(np.array(float(number)), kind, name, "the loss", advice)
            return given_back

        return watched

    def _watched_step(self, optimizer: Optimizer, call: Call) -> Call:
        def step(dtheta: Array) -> None:
            self._number = optimizer.t + 1
            for name, array in self._cut(dtheta):
                self._look(array, "gradient", layer_of(name), f"d {name}, as it came to the optimizer", BETWEEN)
            state, t = [self.model.theta, *optimizer.state.values()], optimizer.t
            kept = [array.copy() for array in state]
            call(dtheta)
            try:
                for name, array in (*self._memory(), *self.model.params.items()):
                    advice = partial(on_update, self.model, optimizer, t, name)
                    self._look(array, "update", layer_of(name), name, advice)
            except DivergedError:
                optimizer.t = t
                for array, before in zip(state, kept, strict=True):
                    array[...] = before
                raise

        return step

    def _begin(self, **data: Any) -> None:
        self._number = None if self.optimizer is None else self.optimizer.t + 1
        for name, array in data.items():
            if name in SOURCES and array is not None:
                nan = self._missing and name in ("x", "corrupted")
                self._look(array, "data", "batch", name, SOURCES[name], nan)
        for name, array in (*self.model.params.items(), *self._memory()):
            self._look(array, "weights", layer_of(name), name, partial(self._written, name))

    def _written(self, first: str) -> str:
        others = [name for name, array in (*self.model.params.items(), *self._memory()) if find_nonfinite(array)]
        others.remove(first)
        spread = f"; so are {len(others)} other tensors, of which any may have been the first" if others else ""
        return WRITTEN + spread

    def _memory(self) -> Iterator[tuple[str, Array]]:
        for name, array in {} if self.optimizer is None else self.optimizer.state.items():
            yield from ((f"{name} of {of}", part) for of, part in self._cut(array))

    def _cut(self, vector: Array) -> Iterator[tuple[str, Array]]:
        start = 0
        for name, view in self.model.params.items():  # in the order in which they lie in theta
            yield name, vector[start : start + view.size].reshape(view.shape)
            start += view.size

    def _look(
        self, array: Array, kind: str, layer: str, tensor: str, advice: str | Callable[[], str], nan: bool = False
    ) -> None:
        bad = find_nonfinite(array, nan)
        if bad is None:
            return
        row = None
        if kind == "data" and self.batches is not None:
            row = int(self.batches.indices[bad.place[0]])
        told = advice if isinstance(advice, str) else advice()
        finding = NonFiniteTensor(kind, layer, tensor, bad.numbers, int(array.size), bad.place, bad.value, row, told)
        raise diverged(finding, self._number, self.epoch)
