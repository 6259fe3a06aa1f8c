"""Pictures of measurements: a check that they can be written, and logarithmic axes."""

from pathlib import Path

from scratchvae.disk import check_writable
from scratchvae.errors import ConfigError
from scratchvae.plotting.figures import PICTURE_SUFFIXES, blank_figure


def check_picture(path):
    """Raise ConfigError or FileError if a picture cannot be written to `path`."""
    if Path(path).suffix not in PICTURE_SUFFIXES:
        raise ConfigError(f"{path}: expected a name that ends in {', '.join(PICTURE_SUFFIXES)}")
    check_writable(Path(path).parent)
    blank_figure(1, 1)


# ticks within a power of ten; the shorter the axis, the more
TICKS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.1, 1.2, 1.3, 1.5, 1.7, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))


def plain_log(axes, which, low, high):
    """Make the "x" or the "y" axis logarithmic, from just below `low` to just above `high`, in plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = low / 1.15, high * 1.15
    for digits in TICKS:
        ticks = [digit * 10.0**power for power in range(-6, 10) for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,g}"))
