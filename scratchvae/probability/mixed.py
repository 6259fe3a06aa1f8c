"""The likelihood of tables whose columns are of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from scratchvae.backend import Array
from scratchvae.errors import ConfigError
from scratchvae.kernels.normal import normal_cdf
from scratchvae.memory import BatchBuffers, Module
from scratchvae.probability.likelihood import Likelihood
from scratchvae.probability.masked_likelihood import mask
from scratchvae.probability.support import Support
from scratchvae.validation import check_int, check_type, short_repr, shorten

Parts = Sequence[tuple[Likelihood, int]]


class Mixed(Likelihood):
    """Blocks of columns, each with a likelihood of its own: log p(x | z) = Σ_blocks log p(x_block | z), in nats.

    shapes   parameters (B, Σ outputs of the blocks)   x (B, Σ widths)   log_likelihood (B,)
    saves    the columns of each block, and what its likelihood saves
    writes   log_likelihood | dparameters, dx, and what the likelihoods write

    parts   pairs (likelihood, width): the blocks of a row from left to right. The decoder's output has the outputs of
            the blocks in the same order

    The model takes the data in their own units: standardize a Gaussian block by hand. Raises ConfigError.
    """

    keeps_units = True

    def __init__(self, parts: Parts) -> None:
        if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts or not all(map(_is_pair, parts)):
            raise ConfigError(
                f"parts={short_repr(parts)}: expected pairs of a likelihood and a number of columns, such as "
                "[(Poisson(), 3), (Categorical((4, 2)), 6)]"
            )
        self.likelihoods = tuple(
            check_type(f"parts[{k}][0]", likelihood, Likelihood, "a likelihood, such as Poisson()")
            for k, (likelihood, _) in enumerate(parts)
        )
        self.widths = tuple(check_int(f"parts[{k}][1]", width) for k, (_, width) in enumerate(parts))
        for k, (likelihood, width) in enumerate(zip(self.likelihoods, self.widths, strict=True)):
            kind = shorten(type(likelihood).__name__, 40)
            if likelihood.input_dim not in (None, width):
                raise ConfigError(
                    f"parts[{k}] has {width} columns, and its {kind} is for {likelihood.input_dim}: make them equal"
                )
            if likelihood in self.likelihoods[:k]:
                raise ConfigError(f"parts[{k}] has the same {kind} as another part: make one for each")
        self.input_dim = sum(self.widths)
        self.columns = _slices(self.widths)
        self.output_columns = _slices(likelihood.outputs(width) for likelihood, width in self.parts)
        supports = [likelihood.support for likelihood in self.likelihoods]
        self.support = min(low for low, _ in supports), max(high for _, high in supports)  # type: ignore[misc]
        kinds = {likelihood.noise for likelihood in self.likelihoods}
        self.noise = kinds.pop() if len(kinds) == 1 else "standard_normal"  # type: ignore[misc]

    @property
    def parts(self) -> tuple[tuple[Likelihood, int], ...]:
        """The pairs of a likelihood and its number of columns."""
        return tuple(zip(self.likelihoods, self.widths, strict=True))

    @property
    def output_scale(self) -> Array:
        """The factor of the initial weights of each output (outputs,)."""
        return np.concatenate(
            [np.full(likelihood.outputs(width), likelihood.output_scale) for likelihood, width in self.parts]
        )

    def children(self) -> dict[str, Module]:
        """The likelihoods, keyed by their index."""
        return {str(k): likelihood for k, likelihood in enumerate(self.likelihoods)}

    def outputs(self, input_dim: int) -> int:
        """The number of outputs of the decoder, that of all blocks."""
        return sum(likelihood.outputs(width) for likelihood, width in self.parts)

    def supports(self, input_dim: int) -> tuple[Support, ...]:
        """Those of the blocks."""
        return tuple(
            support._replace(start=support.start + columns.start, stop=support.stop + columns.start)
            for (likelihood, width), columns in zip(self.parts, self.columns, strict=True)
            for support in likelihood.supports(width)
        )

    def masked(self) -> Mixed:
        """The same blocks, each with the likelihood of its observed part. Raises ConfigError."""
        return Mixed([(mask(likelihood), width) for likelihood, width in self.parts])

    def allocate(self, buffers: BatchBuffers) -> None:
        """Allocate the gradients and, for each block, its columns of every array; bind the likelihoods."""
        self._log_likelihood = buffers.column()
        self._dparameters, self._dx = buffers.matrix(self.outputs(self.input_width)), buffers.matrix(self.input_width)
        for likelihood, width in self.parts:
            likelihood.bind(buffers, (width,))
        self._blocks = [_Block(likelihood, width, buffers) for likelihood, width in self.parts]

    # The blocks are independent given z:  log p(x) = Σ_k log p_k(x_k)
    def forward(self, parameters: Array, x: Array) -> Array:
        """log p(x | parameters) (B,) from parameters (B, outputs) and x (B, D)."""
        rows = self.check_inputs(x=x)
        self.check_width(self.outputs(self.input_width), parameters=parameters)
        log_likelihood = self._log_likelihood[:rows]
        log_likelihood.fill(0.0)
        for block, likelihood, columns, outputs in self._each():
            x_k, parameters_k = block.x[:rows], block.parameters[:rows]
            x_k[...] = x[:, columns]
            parameters_k[...] = parameters[:, outputs]
            log_likelihood += likelihood.forward(parameters_k, x_k)
        return log_likelihood

    # ∂ log p/∂ log p_k = 1           →  each likelihood receives dlog_likelihood, and writes its own columns
    def backward(self, dlog_likelihood: Array) -> Array:
        """dparameters (B, outputs) from dlog_likelihood (B,); writes the gradients of the likelihoods' parameters."""
        dparameters = self._dparameters[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        for _, likelihood, _, outputs in self._each():
            dparameters[:, outputs] = likelihood.backward(dlog_likelihood)
        return dparameters

    def backward_data(self, dlog_likelihood: Array) -> Array:
        """dx (B, D) from dlog_likelihood (B,)."""
        dx = self._dx[: self.check_gradients(dlog_likelihood=dlog_likelihood)]
        for _, likelihood, columns, _ in self._each():
            dx[:, columns] = likelihood.backward_data(dlog_likelihood)
        return dx

    def mean(self, parameters: Array, out: Array) -> Array:
        """E x (B, D), written into `out`."""
        self.check_outputs("parameters", parameters, out=out)
        rows = self.check_inputs(out=out)
        for block, likelihood, columns, outputs in self._each():
            parameters_k = block.parameters[:rows]
            parameters_k[...] = parameters[:, outputs]
            out[:, columns] = likelihood.mean(parameters_k, block.drawn[:rows])
        return out

    # A block that needs uniform noise, where others need normal noise ε, is given Φ(ε).
    def draw(self, parameters: Array, noise: Array, out: Array) -> Array:
        """x (B, D), a draw from p(x | parameters) as a function of noise (B, D), written into `out`."""
        xp = self.check_outputs("parameters", parameters, out=out, noise=noise)
        rows, largest = self.check_inputs(out=out), 1.0 - float(np.finfo(parameters.dtype).epsneg)
        for block, likelihood, columns, outputs in self._each():
            parameters_k, noise_k, drawn = block.parameters[:rows], block.noise[:rows], block.drawn[:rows]
            parameters_k[...] = parameters[:, outputs]
            noise_k[...] = noise[:, columns]
            if likelihood.noise != self.noise:
                eps, scratch = drawn, (block.scratch[:rows], block.more[:rows])
                eps[...] = noise_k
                normal_cdf(xp, eps, out=noise_k, scratch=scratch)
                xp.minimum(noise_k, largest, out=noise_k)
            out[:, columns] = likelihood.draw(parameters_k, noise_k, drawn)
        return out

    def output_bias(self, mean: Array) -> Array:
        """The output biases of the blocks."""
        mean = self.check_mean(mean)
        blocks = zip(self.likelihoods, self.columns, strict=True)
        return np.concatenate([likelihood.output_bias(mean[columns]) for likelihood, columns in blocks])

    def _each(self) -> Any:
        """The buffers of each block, its likelihood, its columns of x and those of the decoder's output."""
        return zip(self._blocks, self.likelihoods, self.columns, self.output_columns, strict=True)


class _Block:
    """The columns of one block, contiguous: of x, of the decoder's output, of noise and of draws; and work arrays."""

    def __init__(self, likelihood: Likelihood, width: int, buffers: BatchBuffers) -> None:
        self.parameters = buffers.matrix(likelihood.outputs(width))
        self.x, self.noise, self.drawn, self.scratch, self.more = (buffers.matrix(width) for _ in range(5))


def _is_pair(part: Any) -> bool:
    return isinstance(part, tuple | list) and len(part) == 2


def _slices(widths: Any) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in pairwise(accumulate(widths, initial=0)))
