"""Learning curves."""

from __future__ import annotations

from scratchvae.errors import ConfigError
from scratchvae.plotting.figures import Figure, blank_figure
from scratchvae.training import History
from scratchvae.validation import check_type, suggest_arguments


@suggest_arguments
def draw_history(history: History) -> Figure:
    """Draw the training and validation loss, and the two terms of the training loss, over the epochs.

    Raises ConfigError.
    """
    check_type("history", history, History, "a History, such as Trainer.fit returns")
    if not history.epochs:
        raise ConfigError("history has no epochs; expected at least one: train first")
    figure = blank_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history.epochs]
    marker = "." if len(epochs) <= 20 else ""
    annealed = any(weight != 1 for weight in history.kl_weight)
    label = "training, weighted KL" if annealed else "training"
    left.plot(epochs, history.loss, label=label, color="tab:blue", marker=marker)
    validation = [(epoch.epoch, epoch.validation) for epoch in history.epochs if epoch.validation is not None]
    if validation:
        left.plot(*zip(*validation, strict=True), label="validation", color="tab:orange", marker=marker)
    if history.best_epoch is not None:
        left.axvline(history.best_epoch, color="0.6", linestyle=":", label=f"best, epoch {history.best_epoch}")
    left.set_title("Loss: −reconstruction + β·KL", fontsize=11)
    left.legend(frameon=False)
    right.plot(
        epochs, [-term for term in history.reconstruction], label="−reconstruction", color="tab:red", marker=marker
    )
    if any(history.kl):  # an autoencoder has no KL
        right.plot(epochs, history.kl, label="KL", color="tab:green", marker=marker)
    right.set_title("Terms of the training loss", fontsize=11)
    right.set_ylim(
        bottom=None if any(term > 0.0 for term in history.reconstruction) else 0.0
    )  # the log of a density above 1
    right.legend(frameon=False)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_ylabel("nats per row")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure
