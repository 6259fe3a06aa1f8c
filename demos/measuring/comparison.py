"""The results of `demos/benchmark.py`, as text and as a picture."""

import re
import statistics

from measuring import machine

JOBS = {
    "encode": "encode the batch",
    "encode-one": "encode one row",
    "embed": "embed 10,000 rows",
    "log_likelihood": "log p(x) of 20 rows, 500 draws each",
    "impute": "impute half of each image of the batch by a Markov chain of 50",
}
OURS = {"native": "native", "scratchvae": "NumPy"}  # with and without compiled kernels
STYLES = {  # the colour-blind safe colours of Okabe and Ito 2008, and a shape
    "native": {"color": "#D55E00", "marker": "o", "ms": 5},
    "scratchvae": {"color": "#0072B2", "marker": "D", "ms": 4, "markerfacecolor": "white"},
}


def describe(record):
    """Three lines about the machine, the versions and the data of a record."""
    data = f"{record['data']}, {record['rows']:,} rows"
    if record["data"] == "digits":
        data += " of 8×8 pixels, padded with zeros to 784"
    busy = f"; {record['busy']} other processes kept busy" if record["busy"] else ""
    record = {**record, "threads": {**record["threads"], **record["cells"][0]["threads"]}}
    return f"{machine.describe(record)}\n{data}; {record['rounds']} rounds of {record['seconds']:g} s a turn{busy}"


def title(job):
    """The job in words."""
    return JOBS.get(job) or f"training {job} steps"


def ours(record, measured):
    """Of the contenders in `measured`, those that are ours, with their titles."""
    titles = {**OURS, "scratchvae": "CuPy"} if record["backend"] == "cupy" else OURS
    return {name: titles[name] for name in titles if name in measured}


def label(record, name):
    """The name of a contender in a table."""
    return f"scratchvae {ours(record, [name])[name]}" if name in OURS else name


def quartiles(times, name, ours="scratchvae"):
    """The quartiles over the rounds of the time of `ours` divided by that of `name`."""
    pairs = zip(times[ours], times[name], strict=True)
    return statistics.quantiles([ours / theirs for ours, theirs in pairs], n=4, method="inclusive")


def table(record, cell):
    """The table of one batch size and one width, with some lines for each job."""
    lines = []
    with_memory = [job for job in cell["milliseconds"] if job.startswith("step")][-1]
    for job, measured in cell["milliseconds"].items():
        peaks = cell["peak_MB"] if job == with_memory else dict.fromkeys(measured)
        columns = ours(record, measured)
        lines.append(f"\n{title(job)}, batch {cell['batch']}, hidden {cell['hidden']}")
        titles = "".join(f"{f'{column} ÷ theirs':>18} {'quartiles':<11}" for column in columns.values())
        lines.append(f"{'':<20}{'ms':>9}{titles}{'peak MB' * (job == with_memory):>9}")
        for name, times in measured.items():
            ratios = ""
            for mine in columns:
                low, middle, high = quartiles(measured, name, mine)
                ratios += f"{middle:>18.2f} {f'{low:.2f}–{high:.2f}':<11}" if name != mine else f"{'':>30}"
            peak = "" if peaks[name] is None else f"{peaks[name]:.0f}"
            lines.append(f"{label(record, name):<20}{statistics.median(times):>9.3f}{ratios}{peak:>9}")
    return "\n".join(line.rstrip() for line in [*lines, machine.describe_others(cell["used_by_others"])])


def draw_comparison(records):
    """A panel for each job and one for memory, with a row for each contender of each cell of each record.

    A row has two markers with their quartiles: the time of native, and of NumPy, divided by that of the contender.
    """
    from measuring.pictures import plain_log
    from scratchvae.plotting.figures import blank_figure

    cells = [(record, cell) for record in records for cell in record["cells"]]
    jobs = list(dict.fromkeys(job for _, cell in cells for job in cell["milliseconds"] if job != "impute"))
    rows = [(record, cell, name) for record, cell in cells for name in [None, *cell["peak_MB"]] if name not in OURS]
    columns = len(jobs) // 2 + 1
    figure = blank_figure(14, 2.5 + 0.4 * len(rows))
    panels = list(figure.subplots(2, columns, sharey=True).flat)
    for axes, job in zip(panels, [*jobs, "memory"], strict=False):
        points = [
            (y, name, mine, quartiles(measured, name, mine))
            for y, (record, cell, name) in enumerate(rows)
            for measured in [times_or_memory(cell, job)]
            for mine in ours(record, measured)
            if name in measured
        ]
        ends = [1.0, *(end for *_, (low, _, high) in points for end in (low, high))]
        plain_log(axes, "x", min(ends), max(ends))
        axes.axvline(1, color="0.3", linewidth=1)
        for y, _, mine, (low, middle, high) in points:
            axes.errorbar(middle, y, xerr=[[middle - low], [high - middle]], linestyle="", **STYLES[mine])
        axes.set_title("memory of training" if job == "memory" else title(job), fontsize=10)
        label_rows(axes, rows, len(records) > 1)
    for axes in panels[len(jobs) + 1 :]:
        axes.set_visible(False)
    titles = {name: text for record, cell in cells for name, text in ours(record, cell["peak_MB"]).items()}
    handles = [panels[0].plot([], [], linestyle="", **STYLES[name])[0] for name in titles]
    labels = [f"scratchvae {text} ÷ the other" for text in titles.values()]
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    shares = (max(cell["used_by_others"] or 0 for cell in record["cells"]) or None for record in records)
    texts = [describe(record) + machine.describe_others(share) for record, share in zip(records, shares, strict=True)]
    figure.supxlabel("\n".join(texts), fontsize=7, color="0.4")
    return figure


def times_or_memory(cell, job):
    """The times of a job by contender; for "memory" the peak, twice, as `quartiles` needs two."""
    if job == "memory":
        return {name: [peak] * 2 for name, peak in cell["peak_MB"].items()}
    return cell["milliseconds"].get(job, {})


def label_rows(axes, rows, with_machine):
    """Write the contenders' names at the left, and a title above those of each cell."""
    axes.set_yticks(range(len(rows)), [name or "" for _, _, name in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for y, (record, cell, name) in enumerate(rows):
        if name is None:
            axes.axhspan(y - 0.5, y + 0.5, color="0.93", zorder=3)  # above the line at 1
            place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7, "zorder": 4}
            axes.text(0.01, y, describe_cell(record, cell, with_machine), **place)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def describe_cell(record, cell, with_machine):
    text = f"batch {cell['batch']}, hidden {cell['hidden']}"
    if record["architecture"] == "conv":
        text += ", conv"
    if record["busy"]:
        text += f", {record['busy']} busy"
    if not with_machine:
        return text
    cpu = re.sub(r"\(R\)|\(TM\)|CPU|Processor|[0-9]+-Core|@.*", "", record["machine"]["cpu"])
    return f"{' '.join(cpu.split())}, {record['date'][:10]}: {text}"
