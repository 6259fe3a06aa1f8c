"""The results of `demos/benchmark.py`, as text and as a picture."""

import statistics

import numpy as np

from measuring.machine import describe

JOBS = {"step": "a training step", "encode": "encoding the batch", "encode-one": "encoding one row"}
OURS = ("scratchvae", "native")  # without and with compiled kernels
MARKERS = {  # the colour-blind safe colours of Okabe and Ito 2008, and a shape for each
    "scratchvae": ("#000000", "*"),
    "native": ("#F0B000", "X"),
    "products": ("#808080", "s"),
    "torch": ("#0072B2", "o"),
    "torch-fused": ("#56B4E9", "^"),
    "torch-compiled": ("#009E73", "D"),
    "torch-graph": ("#CC79A7", "P"),
    "jax": ("#D55E00", "v"),
}


def quartiles(times, name, ours="scratchvae"):
    """The quartiles over the rounds of the time of `ours` divided by that of `name`."""
    pairs = zip(times[ours], times[name], strict=True)
    return statistics.quantiles([ours / theirs for ours, theirs in pairs], n=4, method="inclusive")


def table(cell):
    """The table of one batch size and one width, with some lines for each job."""
    lines = []
    for job, measured in cell["milliseconds"].items():
        title = f"{job}, batch {cell['batch']}, hidden {cell['hidden']}"
        peaks = cell["peak_MB"] if job == "step" else dict.fromkeys(measured)
        ours = [name for name in OURS if name in measured]
        ratios = "".join(f"{f'{name} is':>15} {'quartiles':>11}" for name in ours)
        lines.append(f"\n{title:<34} {'ms':>9}{ratios} {'peak MB' * (job == 'step'):>9}")
        for name, times in measured.items():
            ratios = ""
            for low, middle, high in (quartiles(measured, name, mine) for mine in ours):
                ratios += f"{middle:>13.2f} × {f'{low:.2f}–{high:.2f}':>11}"
            peak = "" if peaks[name] is None else f"{peaks[name]:.0f}"
            lines.append(f"{name:<34} {statistics.median(times):>9.3f}{ratios} {peak:>9}")
    return "\n".join(line.rstrip() for line in lines)


def draw_comparison(record):
    """A panel for each job and one for memory, with a row for each batch and width, and a marker for each contender."""
    from measuring.pictures import plain_log
    from scratchvae.plotting.figures import blank_figure

    cells = record["cells"]
    names = [name for name in MARKERS if name in cells[0]["peak_MB"]]
    figure = blank_figure(14, 2 + len(cells) * (0.15 + 0.1 * len(names)))
    panels = figure.subplots(1, len(JOBS) + 1, sharey=True, width_ratios=[3] * len(JOBS) + [2])
    for axes, (job, title) in zip(panels, JOBS.items(), strict=False):
        rows = [{name: quartiles(cell["milliseconds"][job], name) for name in names} for cell in cells]
        ratios = [ratio for row in rows for three in row.values() for ratio in three]
        plain_log(axes, "x", min(ratios), max(ratios))
        axes.axvline(1, color="0.3", linewidth=1)
        draw_markers(axes, names, rows, skip="scratchvae")
        axes.set(title=title, xlabel="time of scratchvae ÷ that of the other")
    on_gpu = " on the GPU" if "gpu" in record["machine"] else ""
    peaks = [peak for cell in cells for peak in cell["peak_MB"].values()]
    plain_log(panels[-1], "x", min(peaks), max(peaks))
    draw_markers(panels[-1], names, [{name: [peak] * 3 for name, peak in cell["peak_MB"].items()} for cell in cells])
    panels[-1].set(title="memory of training", xlabel="peak, MB" + on_gpu)
    panels[0].set_yticks(range(len(cells)), [f"{cell['batch']} × {cell['hidden']}" for cell in cells])
    panels[0].set(ylabel="batch × hidden", ylim=(len(cells) - 0.5, -0.5))
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(names), frameon=False)
    figure.supxlabel(describe(record), fontsize=7, color="0.4")
    return figure


def draw_markers(axes, names, rows, skip=""):
    """Draw each contender in the row of each cell: its median, and a bar from quartile to quartile."""
    for position, name in enumerate(names):
        if name == skip:
            continue
        colour, shape = MARKERS[name]
        low, middle, high = (np.array(values) for values in zip(*(row[name] for row in rows), strict=True))
        y = np.arange(len(rows)) + 0.8 * ((position + 0.5) / len(names) - 0.5)
        size = 8 if shape == "*" else 5
        bars = [list(middle - low), list(high - middle)]  # Matplotlib 3.9 treats an array of length 1 as a scalar
        axes.errorbar(middle, y, xerr=bars, fmt=shape, color=colour, label=name, ms=size)
    for row in range(0, len(rows), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
