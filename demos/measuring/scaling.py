"""What `demos/scale.py` found, in words and in a picture."""

from statistics import median, quantiles
from textwrap import fill

import numpy as np

from measuring.machine import describe

MEASURED, COUNTED = "#0072B2", "#D55E00"


def tell_sweeps(record):
    """The times at all sizes, and the exponents."""
    lines = []
    for name, of in record["sweeps"].items():
        what, unit, scale = ("an epoch", "s", 1) if name == "rows" else ("a step", "ms", 1e3)
        lines.append(f"{what}: time ∝ {name}^k with k = {of['k']:.2f} ± {of['error']:.2f}; counted {of['counted']:.2f}")
        lines.append(f"{name:<8}" + "".join(f"{size:>9,}" for size in of["sizes"]))
        lines.append(f"{unit:<8}" + "".join(f"{scale * median(turns):>9.3g}" for turns in of["seconds"]) + "\n")
    return "\n".join(lines).rstrip()


def tell_hundredfold(record):
    """What a hundred times each size would take, and where such reckoning ends."""
    constants, machine = record["constants"], record["machine"]
    lines = [
        "A hundred times the size, all else as it was, reckoned at",
        f"{1e12 * constants['operation']:>9.3g} ps an operation of the products, with what goes with them",
        f"{1e9 * constants['parameter']:>9.3g} ns a parameter in Adam",
        f"{1e6 * constants['map']:>9.3g} µs for the calls around a linear map",
        f"{1e6 * constants['step']:>9.3g} µs for the other calls of a step",
        "",
        f"{'':<8}{'from':>7}{'to':>10}{'products':>11}{'Adam':>9}{'time':>22}{'MB':>16}   reckoned ÷ measured",
    ]
    for name, of in record["hundredfold"].items():
        products, adam = f"× {of['products']:.3g}", f"× {of['adam']:.3g}"
        seconds, memory = " → ".join(map(plain_time, of["seconds"])), " → ".join(f"{MB:,.0f}" for MB in of["MB"])
        trust = f"{of['reckoned over measured']:.2f} at {of['largest']:,}"
        line = f"{name:<8}{of['sizes'][0]:>7,}{of['sizes'][1]:>10,}{products:>11}{adam:>9}{seconds:>22}{memory:>16}"
        lines.append(f"{line}   {trust}")
    cache = f" ({machine['cache_MB']:,.0f} MB here)" if machine["cache_MB"] else ""
    memory = f" ({machine['memory_MB']:,.0f} MB here)" if machine["memory_MB"] else ""
    caveat = (
        "Where this ends: an operation costs the same only while products run at the same speed, which is lower where "
        "a matrix has few rows or columns. Adam, and every pass over a batch, does so little with each number that it "
        f"runs at the speed of the cache or of memory: what no longer fits into the last cache{cache} costs more a "
        f"number, and what does not fit into memory{memory} does not run."
    )
    return "\n".join([*lines, "", fill(caveat, 120)])


def plain_time(seconds):
    return f"{seconds:,.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def draw_scaling(record):
    """A panel for each size: what was measured, the line through its upper half, and the operations counted."""
    from measuring.pictures import plain_log
    from scratchvae.plotting.figures import blank_figure

    figure = blank_figure(16, 3.9)
    panels = figure.subplots(1, len(record["sweeps"]))
    for axes, (name, of) in zip(panels, record["sweeps"].items(), strict=True):
        scale, unit = (1, "seconds an epoch") if name == "rows" else (1e3, "milliseconds a step")
        sizes, operations = np.array(of["sizes"]), np.array(of["operations"])
        low, middle, high = scale * np.array([quantiles(turns, n=4) for turns in of["seconds"]]).T
        plain_log(axes, "x", sizes[0], sizes[-1])
        plain_log(axes, "y", middle.min(), middle.max())

        upper, reference = len(sizes) // 2, of["sizes"].index(of["reference"])
        x, y = np.log(sizes[upper:]), np.log(middle[upper:])
        as_counted = operations * np.exp(y.mean() - np.log(operations[upper:]).mean())
        as_measured = np.exp(y.mean() + of["k"] * (x - x.mean()))
        axes.plot(sizes, as_counted, "--", color=COUNTED, label=f"counted {of['counted']:.2f}")
        axes.plot(sizes[upper:], as_measured, color=MEASURED, label=f"measured {of['k']:.2f} ± {of['error']:.2f}")
        axes.errorbar(sizes, middle, [middle - low, high - middle], fmt="o", color=MEASURED, markersize=4, linewidth=1)
        axes.plot(sizes[reference], middle[reference], "o", color="none", markeredgecolor="0.3", markersize=10)

        axes.set_xticks(sizes[reference % 2 :: 2])
        axes.set(title=name, ylabel=unit)
        axes.legend(title="time ∝ size^k, k =", frameon=False, fontsize=9, title_fontsize=9, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"{describe(record)}; a ring: the reference network", fontsize=7, color="0.4")
    return figure
