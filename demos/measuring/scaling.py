"""The results of `demos/scale.py`, as text and as a picture."""

from statistics import median, quantiles
from textwrap import fill

import numpy as np

from measuring.machine import describe

MEASURED, COUNTED = "#0072B2", "#D55E00"


def sweeps_table(record):
    """The times at all sizes, and the exponents."""
    lines = []
    for name, sweep in record["sweeps"].items():
        what, unit, scale = ("an epoch", "s", 1) if name == "rows" else ("a step", "ms", 1e3)
        k = f"k = {sweep['k']:.2f} ± {sweep['error']:.2f}"
        lines.append(f"{what}: time ∝ {name}^k with {k}; counted {sweep['counted']:.2f}")
        lines.append(f"{name:<8}" + "".join(f"{size:>9,}" for size in sweep["sizes"]))
        lines.append(f"{unit:<8}" + "".join(f"{scale * median(turns):>9.3g}" for turns in sweep["seconds"]) + "\n")
    return "\n".join(lines).rstrip()


def hundredfold_table(record):
    """The estimated cost of a hundred times each size, and the limits of the estimate."""
    constants, machine = record["constants"], record["machine"]
    lines = [
        "Estimates for a hundred times the size, with the others fixed, from",
        f"{1e12 * constants['operation']:>9.3g} ps per operation of the products, with all other work on a batch",
        f"{1e9 * constants['parameter']:>9.3g} ns per parameter in Adam",
        f"{1e6 * constants['map']:>9.3g} µs for the calls of a linear map",
        f"{1e6 * constants['step']:>9.3g} µs for the other calls of a step",
        "",
        f"{'':<8}{'from':>7}{'to':>10}{'products':>11}{'Adam':>9}{'time':>22}{'MB':>16}   estimated ÷ measured",
    ]
    for name, cost in record["hundredfold"].items():
        before, after = cost["sizes"]
        products, adam = f"× {cost['products']:.3g}", f"× {cost['adam']:.3g}"
        seconds, memory = " → ".join(map(plain_time, cost["seconds"])), " → ".join(f"{MB:,.0f}" for MB in cost["MB"])
        accuracy = f"{cost['estimated over measured']:.2f} at {cost['largest']:,}"
        line = f"{name:<8}{before:>7,}{after:>10,}{products:>11}{adam:>9}{seconds:>22}{memory:>16}"
        lines.append(f"{line}   {accuracy}")
    cache = f" ({machine['cache_MB']:,.0f} MB here)" if machine["cache_MB"] else ""
    memory = f" ({machine['memory_MB']:,.0f} MB here)" if machine["memory_MB"] else ""
    caveat = (
        "Limits: the time per operation is constant only while products run at the same speed; they are slower if a "
        "matrix has few rows or columns. Adam, and every pass over a batch, is limited by the speed of the cache or of "
        f"memory: data larger than the last cache{cache} costs more per number, and data larger than "
        f"memory{memory} does not run."
    )
    return "\n".join([*lines, "", fill(caveat, 120)])


def plain_time(seconds):
    return f"{seconds:,.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def draw_scaling(record):
    """A panel for each size: the measurements, the line through their upper half, and the counted operations."""
    from measuring.pictures import plain_log
    from scratchvae.plotting.figures import blank_figure

    figure = blank_figure(16, 3.9)
    panels = figure.subplots(1, len(record["sweeps"]))
    for axes, (name, sweep) in zip(panels, record["sweeps"].items(), strict=True):
        scale, unit = (1, "seconds an epoch") if name == "rows" else (1e3, "milliseconds a step")
        sizes, operations = np.array(sweep["sizes"]), np.array(sweep["operations"])
        low, middle, high = scale * np.array([quantiles(turns, n=4) for turns in sweep["seconds"]]).T
        plain_log(axes, "x", sizes[0], sizes[-1])
        plain_log(axes, "y", middle.min(), middle.max())

        upper, reference = len(sizes) // 2, sweep["sizes"].index(sweep["reference"])
        x, y = np.log(sizes[upper:]), np.log(middle[upper:])
        as_counted = operations * np.exp(y.mean() - np.log(operations[upper:]).mean())
        as_measured = np.exp(y.mean() + sweep["k"] * (x - x.mean()))
        axes.plot(sizes, as_counted, "--", color=COUNTED, label=f"counted {sweep['counted']:.2f}")
        axes.plot(sizes[upper:], as_measured, color=MEASURED, label=f"measured {sweep['k']:.2f} ± {sweep['error']:.2f}")
        axes.errorbar(sizes, middle, [middle - low, high - middle], fmt="o", color=MEASURED, markersize=4, linewidth=1)
        axes.plot(sizes[reference], middle[reference], "o", color="none", markeredgecolor="0.3", markersize=10)

        axes.set_xticks(sizes[reference % 2 :: 2])
        axes.set(title=name, ylabel=unit)
        axes.legend(title="time ∝ size^k, k =", frameon=False, fontsize=9, title_fontsize=9, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"{describe(record)}; ring: the reference network", fontsize=7, color="0.4")
    return figure
