"""What `demos/benchmark.py` found, in words."""

import statistics


def quartiles(of, name):
    """Of scratchvae's time over that of `name`, round by round."""
    pairs = zip(of["scratchvae"], of[name], strict=True)
    return statistics.quantiles([ours / theirs for ours, theirs in pairs], n=4)


def table(cell):
    """One batch and one width: a few lines for each job."""
    lines = []
    for job, of in cell["milliseconds"].items():
        title = f"{job}, batch {cell['batch']}, hidden {cell['hidden']}"
        peaks = cell["peak_MB"] if job == "step" else dict.fromkeys(of)
        lines.append(
            f"\n{title:<34} {'ms':>9} {'scratchvae is':>15} {'quartiles':>13} {'peak MB' * (job == 'step'):>9}"
        )
        for name, times in of.items():
            low, middle, high = quartiles(of, name)
            spread, peak = f"{low:.2f}–{high:.2f}", "" if peaks[name] is None else f"{peaks[name]:.0f}"
            lines.append(f"{name:<34} {statistics.median(times):>9.3f} {middle:>13.2f} × {spread:>13} {peak:>9}")
    return "\n".join(line.rstrip() for line in lines)
