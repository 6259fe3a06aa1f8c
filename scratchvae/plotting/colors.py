"""Colours and marks that readers with any colour vision can tell apart."""

from __future__ import annotations

# Petroff 2021, "Accessible color sequences for data visualization": ten colours, chosen so that they differ for readers
# with normal and with each kind of deficient colour vision, and in lightness as well.
CLASS_COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "^", "s", "D")  # the next marker begins when the colours are used up

# Okabe and Ito 2008, "Color universal design": for a few lines or sets.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000",
)  # fmt: skip
SET_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
LIGHT_GREY = "0.75"
MISSING_COLOR = SKY  # of a missing pixel in a grey picture


def class_style(k: int) -> dict[str, str]:
    """The colour and the marker of class k; the first 40 are all different."""
    return {
        "color": CLASS_COLORS[k % len(CLASS_COLORS)],
        "marker": MARKERS[k // len(CLASS_COLORS) % len(MARKERS)],
    }


def set_style(k: int) -> dict[str, str]:
    """The colour and the marker of set k of a few; the markers differ, too."""
    return {"color": SET_COLORS[k % len(SET_COLORS)], "marker": MARKERS[k % len(MARKERS)]}
