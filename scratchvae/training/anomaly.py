"""Anomaly detection: find the first tensor of a training step that is not finite."""

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
from scratchvae.models import ELBOTerms, Model
from scratchvae.objectives import Objective
from scratchvae.optim import Optimizer
from scratchvae.probability import MaskedLikelihood, ScaledLikelihood
from scratchvae.training.hints import CLIPPING_HINT, DATA_HINTS, WEIGHTS_HINT, arithmetic_hint, update_hint
from scratchvae.training.nonfinite import NonFiniteTensor, diverged, find_nonfinite, largest
from scratchvae.training.tensor_names import kind_of, layer_of, named_modules, results, title

Call = Callable[..., Any]


class AnomalyDetector:
    """A context in which the first tensor that is not finite raises DivergedError, which names the tensor.

        with AnomalyDetector(model, optimizer):
            …  # any number of steps: model.forward, model.backward, optimizer.step

    Tensors are checked in the order of a step: the inputs, x first; the parameters and the state of the optimizer; in
    forward, the inputs and outputs of each module; in backward, each gradient, that of the parameters included; the
    gradient that the optimizer receives, after clipping; the new state of the optimizer and the new parameters. With
    missing=True, NaN in the data is allowed.

    If it raises, the parameters and the state of the optimizer are those before the step.

    epoch     number of the epoch for the error message, counted from 1
    batches   the `Minibatches` of the steps; their `indices` map rows of a batch to rows of the data

    The checks do not change the results of a step. Each one waits for the device, which is slow: use the detector to
    locate a known problem, as `torch.autograd.detect_anomaly`.
    """

    def __init__(
        self, model: Model, optimizer: Optimizer | None = None, epoch: int | None = None, batches: Any = None
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.epoch = epoch
        self.batches = batches
        self._missing = bool(model.config["missing"])
        self._step: int | None = None  # number of the next update

    def __enter__(self) -> AnomalyDetector:
        """Wrap the methods of the model, of its modules and of the optimizer."""
        self._undo = ExitStack()
        self._undo.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
        for name, module in named_modules(self.model):
            for method in dir(module):
                if method.startswith(("forward", "backward")) or method == "matmul":
                    self._replace(module, method, self._checked_method(name, module, method))
        posterior = getattr(self.model, "posterior", None)
        if posterior is not None:  # its density may overflow where z does not
            self._replace(posterior, "log_prob", self._checked_method("posterior", posterior, "log_prob"))
        self._replace(self.model, "forward", self._checked_forward(self.model.forward))
        if self.optimizer is not None:
            self._replace(self.optimizer, "step", self._checked_step(self.optimizer, self.optimizer.step))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the wrapped methods."""
        self._undo.close()

    def check_inputs(self, **data: Array | None) -> DivergedError | None:
        """The error for the inputs of a step: `data`, named as in `forward`, parameters and optimizer state.

        None if all are finite. Call it before the steps are replayed: what other code wrote into the parameters or the
        data is not reproduced by the replay.
        """
        try:
            self._check_inputs(**data)
        except DivergedError as error:
            return error
        return None

    def _replace(self, owner: Any, method: str, call: Call) -> None:
        attributes = vars(owner)
        if method in attributes:
            self._undo.callback(setattr, owner, method, attributes[method])
        else:
            self._undo.callback(delattr, owner, method)
        setattr(owner, method, call)

    def _checked_forward(self, call: Call) -> Call:
        parameters = list(inspect.signature(call).parameters)

        def forward(*args: Any, **kwargs: Any) -> ELBOTerms:
            self._check_inputs(**{**dict(zip(parameters, args, strict=False)), **kwargs})
            terms: ELBOTerms = call(*args, **kwargs)
            return terms

        return forward

    def _checked_method(self, name: str, module: Any, method: str) -> Call:
        call: Call = getattr(module, method)
        parameters, kind, owner = list(inspect.signature(call).parameters), kind_of(module, method), title(name, module)
        weights = [f"{name}.{weight}" for weight in module.parameter_shapes()]
        weights = [weight for weight in weights if weight in self.model.params]
        nan_allowed = (
            method == "forward"
            and self._missing
            and (isinstance(module, NaNToZero | MaskedLikelihood | ScaledLikelihood) or name == "repeat_x")
        )

        def checked(*args: Any, **kwargs: Any) -> Any:
            arrays = {**dict(zip(parameters, args, strict=False)), **kwargs}
            array_type = self.model.backend.array_type
            arrays = {name: value for name, value in arrays.items() if isinstance(value, array_type)}

            def advice() -> str:
                largest_weight = largest(*(self.model.params[weight] for weight in weights))
                return arithmetic_hint(self.model, self.optimizer, module, largest(*arrays.values()), largest_weight)

            for argument, array in arrays.items():
                tensor = f"{argument}, given to {owner}"
                self._check(array, kind, name, tensor, advice, nan_allowed and argument in ("x", "u"))
            returned = call(*args, **kwargs)
            for weight in weights if kind == "gradient" else ():
                self._check(self.model.grads[weight], kind, layer_of(weight), f"d {weight}", advice)
            if returned is not None:
                for result, array in results(name, module, method, returned):
                    self._check(array, kind, name, result, advice, nan_allowed and name == "repeat_x")
            if isinstance(module, Objective) and method == "forward":  # sums can overflow where their terms do not
                for number in (*(term.sum() for term in returned), module.loss(returned)):
                    self._check(np.array(float(number)), kind, name, "the loss", advice)
            return returned

        return checked

    def _checked_step(self, optimizer: Optimizer, call: Call) -> Call:
        def step(dtheta: Array) -> None:
            self._step = optimizer.t + 1
            for name, array in self._by_parameter(dtheta):
                self._check(array, "gradient", layer_of(name), f"d {name}, given to the optimizer", CLIPPING_HINT)
            state, t = [self.model.theta, *optimizer.state.values()], optimizer.t
            copies = [array.copy() for array in state]
            call(dtheta)
            try:
                for name, array in (*self._optimizer_state(), *self.model.params.items()):
                    advice = partial(update_hint, self.model, optimizer, t, name)
                    self._check(array, "update", layer_of(name), name, advice)
            except DivergedError:
                optimizer.t = t
                for array, before in zip(state, copies, strict=True):
                    array[...] = before
                raise

        return step

    def _check_inputs(self, **data: Any) -> None:
        self._step = None if self.optimizer is None else self.optimizer.t + 1
        for name, array in data.items():
            if name in DATA_HINTS and array is not None:
                nan_allowed = self._missing and name in ("x", "corrupted")
                self._check(array, "data", "batch", name, DATA_HINTS[name], nan_allowed)
        for name, array in (*self.model.params.items(), *self._optimizer_state()):
            self._check(array, "weights", layer_of(name), name, partial(self._weights_hint, name))

    def _weights_hint(self, first: str) -> str:
        state = (*self.model.params.items(), *self._optimizer_state())
        others = [name for name, array in state if find_nonfinite(array)]
        others.remove(first)
        addition = f"; {len(others)} other tensors are not finite either" if others else ""
        return WEIGHTS_HINT + addition

    def _optimizer_state(self) -> Iterator[tuple[str, Array]]:
        for name, array in {} if self.optimizer is None else self.optimizer.state.items():
            yield from ((f"{name} of {parameter}", part) for parameter, part in self._by_parameter(array))

    def _by_parameter(self, vector: Array) -> Iterator[tuple[str, Array]]:
        start = 0
        for name, view in self.model.params.items():  # in their order in theta
            yield name, vector[start : start + view.size].reshape(view.shape)
            start += view.size

    def _check(
        self,
        array: Array,
        kind: str,
        layer: str,
        tensor: str,
        advice: str | Callable[[], str],
        nan_allowed: bool = False,
    ) -> None:
        found = find_nonfinite(array, nan_allowed)
        if found is None:
            return
        row = None
        if kind == "data" and self.batches is not None:
            row = int(self.batches.indices[found.position[0]])
        text = advice if isinstance(advice, str) else advice()
        size = int(array.size)
        finding = NonFiniteTensor(kind, layer, tensor, found.nonfinite, size, found.position, found.value, row, text)
        raise diverged(finding, self._step, self.epoch)
