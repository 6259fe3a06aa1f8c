"""The results of `demos/subnormals.py`, as text and as a picture."""

from statistics import median

from measuring.comparison import MARKERS
from measuring.machine import describe

STYLES = {**MARKERS, "without-flush": ("#CC79A7", "d")}


def milliseconds(epoch, clock):
    """The median over the turns of an epoch."""
    return median(turn[clock] for turn in epoch["turns"])


def relative(epochs, others, clock):
    """The time of one contender divided by that of another: the median over all turns of these epochs."""
    pairs = [zip(one["turns"], other["turns"], strict=True) for one, other in zip(epochs, others, strict=True)]
    return median(one[clock] / other[clock] for turns in pairs for one, other in turns)


def table(record, clock="processor"):
    """The milliseconds per step in the first and in the last three epochs, and relative to scratchvae there."""
    epochs, ours = record["epochs"], next(iter(record["epochs"]))
    lines = [f"ms per step, {clock} time; × {ours}"]
    lines += [f"{'':<16}{'first 3 epochs':>18}{'last 3 epochs':>18}{'subnormal m':>14}{'loss':>9}"]
    for name, results in epochs.items():
        columns = ""
        for part in (slice(0, 3), slice(-3, None)):
            time = median(milliseconds(epoch, clock) for epoch in results[part])
            columns += f"{time:>9.2f} {relative(results[part], epochs[ours][part], clock):>6.2f} ×"
        lines.append(f"{name:<16}{columns}{results[-1]['subnormal']:>14.2%}{results[-1]['loss']:>9.2f}")
    return "\n".join(lines)


def draw_epochs(record, clock="processor"):
    """Panels by epoch: milliseconds per step; the same relative to scratchvae; the share of subnormal numbers in m."""
    from scratchvae.plotting.figures import blank_figure

    figure = blank_figure(14, 4.2)
    panels = figure.subplots(1, 3)
    ours = next(iter(record["epochs"]))
    for name, epochs in record["epochs"].items():
        colour, shape = STYLES[name]
        style = {"color": colour, "marker": shape, "ms": 7 if shape == "*" else 4, "lw": 1}
        numbers = range(1, len(epochs) + 1)
        ratios = [relative([one], [other], clock) for one, other in zip(epochs, record["epochs"][ours], strict=True)]
        panels[0].plot(numbers, [milliseconds(epoch, clock) for epoch in epochs], label=name, **style)
        panels[1].plot(numbers, ratios, **style)
        panels[2].plot(numbers, [100 * epoch["subnormal"] for epoch in epochs], **style)
    panels[0].set(ylabel=f"milliseconds a step, {clock} time")
    panels[1].set(ylabel=f"time of a step ÷ that of {ours}")
    panels[2].set(ylabel="subnormal numbers in Adam's m, %")
    for axes in panels:
        axes.set(xlabel="epoch", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(STYLES), frameon=False)
    figure.supxlabel(describe(record), fontsize=7, color="0.4")
    return figure
