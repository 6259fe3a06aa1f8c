"""The progress of training on standard error."""

from __future__ import annotations

import shutil
import sys
import warnings
from math import ceil
from typing import Any

from scratchvae.models import VAE, Model
from scratchvae.objectives import ImportanceWeighted
from scratchvae.training.callback import Callback
from scratchvae.training.history import Epoch
from scratchvae.training.state import TrainingState

LINES = 20  # of a training whose progress goes to a file or a pipe, about
WIDTH = 80  # columns of a bar
INTERVALS = (1, 2, 5, 10, 20, 25, 50)  # epochs from line to line, and these times powers of 100
BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}"


class Progress(Callback):
    """A bar in a terminal or a notebook, if tqdm is installed; about 20 lines elsewhere.

    A bar shows the time left. Bar and lines show the mean of the objective over the training rows of an epoch, at the
    weights of each step, and over the validation rows, at the weights of its end: the ELBO of a VAE in nats per row,
    higher is better. A line also has its two terms, and the seconds since training began. Of several processes, the
    first one shows them.
    """

    _bar: Any = None
    _last_printed: Epoch | None = None
    _seconds = 0.0

    def on_fit_begin(self, state: TrainingState) -> None:
        """Show an empty bar."""
        self._bar, self._last_printed, self._seconds = None, None, 0.0
        self._bar = make_bar(state.epochs * len(state.batches), desc="training") if state.is_root else None

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Move the bar to where a resumed training continues."""
        self.on_step_end(state)

    def on_step_end(self, state: TrainingState) -> None:
        """Move the bar by one minibatch."""
        if self._bar is not None:
            self._bar.update(state.batches_done - self._bar.n)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Show the figures of the epoch."""
        record = state.record
        assert record is not None
        self._seconds += record.seconds
        last = state.first_epoch + state.epochs
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {record.epoch}/{last}", refresh=False)
            self._bar.set_postfix_str(", ".join(objective_figures(record, state.model)), refresh=False)
        elif self._last_printed is None or record.epoch == last or record.epoch % interval(state.epochs) == 0:
            self._print(record, state)

    def on_fit_end(self, state: TrainingState) -> None:
        """Close the bar, or print the line of the last epoch if training ended early."""
        if self._bar is not None:
            self._bar.close()
        elif state.record is not None and state.record is not self._last_printed:
            self._print(state.record, state)

    def _print(self, record: Epoch, state: TrainingState) -> None:
        if not state.is_root:
            return
        self._last_printed, last = record, state.first_epoch + state.epochs
        epoch = f"epoch {record.epoch:{len(str(last))}d}/{last}"
        print(f"{epoch}  {figures(record, state.model)}  {self._seconds:.1f} s", file=sys.stderr, flush=True)


def make_bar(total: int, **settings: Any) -> Any:
    """A bar on standard error in a terminal or a notebook; None elsewhere and without tqdm, which has the settings."""
    notebook = in_notebook()
    if not (notebook or sys.stderr.isatty()):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a notebook without widgets, which gets a bar of text
            from tqdm.auto import tqdm
    except ImportError:
        return None
    columns = None if notebook else min(WIDTH, shutil.get_terminal_size().columns)
    return tqdm(total=total, ncols=columns, bar_format=BAR, file=sys.stderr, **settings)


def interval(epochs: int) -> int:
    """The number of epochs from one line to the next, so that there are about 20 lines at most."""
    least, scale = ceil(epochs / LINES), 1
    while least > scale * INTERVALS[-1]:
        scale *= 100
    return next(scale * n for n in INTERVALS if scale * n >= least)


def in_notebook() -> bool:
    """True if IPython runs in the kernel of a notebook, whose standard error is no terminal but shows a bar."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def objective_name(model: Model) -> str:
    """The name of the objective, whose higher values are better: "ELBO" for a VAE with beta = 1."""
    if not isinstance(model, VAE):
        return "log-likelihood"
    if isinstance(model.objective, ImportanceWeighted):
        return "bound"
    return "ELBO" if model.objective.beta == 1.0 else "objective"


def objective_figures(record: Epoch, model: Model) -> list[str]:
    """The objective of the training rows and, if there are any, of the validation rows.

    Both have the KL at its full weight, so that they may be compared while the weight still rises.
    """
    value = record.reconstruction - model.objective.beta * record.kl
    validation = [] if record.validation is None else [f"validation {-record.validation:.2f}"]
    return [f"{objective_name(model)} {value:.2f}", *validation]


def figures(record: Epoch, model: Model) -> str:
    """The figures of an epoch in one line."""
    terms = []
    if isinstance(model, VAE):
        weight = "" if record.kl_weight == 1 else f" (weight {record.kl_weight:.2f})"
        terms = [f"reconstruction {record.reconstruction:.2f}", f"KL {record.kl:.2f}{weight}"]
    return "  ".join([*objective_figures(record, model), *terms])
