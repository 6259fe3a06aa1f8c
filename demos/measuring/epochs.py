"""The results of `demos/subnormals.py`, as text and as a picture."""

from statistics import median

from measuring.machine import describe, describe_others

STYLES = {  # the colour-blind safe colours of Okabe and Ito 2008, and a shape for each
    "scratchvae": ("#000000", "*"),
    "without-flush": ("#CC79A7", "d"),
    "native": ("#F0B000", "X"),
    "torch": ("#0072B2", "o"),
    "torch-fused": ("#56B4E9", "^"),
    "torch-flush": ("#009E73", "D"),
    "jax": ("#D55E00", "v"),
}


def milliseconds(epoch, clock):
    """The median over the turns of an epoch."""
    return median(turn[clock] for turn in epoch["turns"])


def relative(epochs, others, clock):
    """The time of one contender divided by that of another: the median over all turns of these epochs."""
    pairs = [zip(one["turns"], other["turns"], strict=True) for one, other in zip(epochs, others, strict=True)]
    return median(one[clock] / other[clock] for turns in pairs for one, other in turns)


def seconds(epoch):
    """The time of an epoch by the wall clock."""
    return sum(turn["seconds"] for turn in epoch["turns"])


def table(record, clock="processor"):
    """The milliseconds per step in the first and in the last three epochs, and relative to the first contender there.

    Also the wall-clock time of the last epoch, and that divided by the time of the second.
    """
    epochs, ours = record["epochs"], next(iter(record["epochs"]))
    lines = [f"ms per step, {clock} time; × {ours}; seconds of the last epoch, wall-clock time; ÷ second epoch"]
    lines += [
        f"{'':<16}{'first 3 epochs':>18}{'last 3 epochs':>18}{'last epoch, s':>15}{'÷ second':>10}"
        f"{'subnormal m':>14}{'loss':>9}"
    ]
    for name, results in epochs.items():
        columns = ""
        for part in (slice(0, 3), slice(-3, None)):
            time = median(milliseconds(epoch, clock) for epoch in results[part])
            columns += f"{time:>9.2f} {relative(results[part], epochs[ours][part], clock):>6.2f} ×"
        last = seconds(results[-1])
        growth = f"{last / seconds(results[1]):.2f}" if len(results) > 1 else ""
        columns += f"{last:>15.2f}{growth:>10}{results[-1]['subnormal']:>14.2%}{results[-1]['loss']:>9.2f}"
        lines.append(f"{name:<16}{columns}")
    return "\n".join(lines) + describe_others(record.get("used_by_others"))


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
    figure.supxlabel(describe(record) + describe_others(record.get("used_by_others")), fontsize=7, color="0.4")
    return figure
