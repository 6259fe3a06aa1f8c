"""Learning curves."""

from __future__ import annotations

from scratchvae.errors import ConfigError
from scratchvae.plotting.colors import BLUE, GREEN, VERMILION
from scratchvae.plotting.figures import Axes, Figure, panels_of
from scratchvae.training import History
from scratchvae.validation import check_type, suggest_arguments


@suggest_arguments
def plot_history(history: History, *, ax: Axes | None = None) -> Figure:
    """Draw the training and validation loss, and the two terms of the training loss, over the epochs.

    The KL among the terms is without its weight, β and that of `kl_weight`.

    ax   matplotlib Axes that two panels are drawn in; None: a new figure

    Returns the Figure. Raises ConfigError.
    """
    check_type("history", history, History, "a History, such as Trainer.fit returns")
    if not history.epochs:
        raise ConfigError("history has no epochs; expected at least one: train first")
    ((left, right),) = panels_of(ax, 1, 2, 9.0, 3.6)
    epochs = [epoch.epoch for epoch in history.epochs]
    marker = "." if len(epochs) <= 20 else ""
    annealed = any(weight != 1 for weight in history.kl_weight)
    label = "training, weighted KL" if annealed else "training"
    left.plot(epochs, history.loss, label=label, color=BLUE, marker=marker)
    validation = [(epoch.epoch, epoch.validation) for epoch in history.epochs if epoch.validation is not None]
    if validation:
        left.plot(*zip(*validation, strict=True), label="validation", color=VERMILION, ls="--", marker=marker)
    if history.best_epoch is not None:
        left.axvline(history.best_epoch, color="0.6", linestyle=":", label=f"best, epoch {history.best_epoch}")
    left.set_title("Loss: −reconstruction + β·KL", fontsize=11)
    left.legend(frameon=False)
    right.plot(epochs, [-term for term in history.reconstruction], label="−reconstruction", color=BLUE, marker=marker)
    if any(history.kl):  # an autoencoder has no KL
        right.plot(epochs, history.kl, label="KL", color=GREEN, ls="--", marker=marker)
    right.set_title("Its terms, the KL without β", fontsize=11)
    right.set_ylim(
        bottom=None if any(term > 0.0 for term in history.reconstruction) else 0.0
    )  # the log of a density above 1
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_ylabel("nats per row")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return left.figure
