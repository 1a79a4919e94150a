"""How our pictures look: a light ground, little ink, and colours that everyone can tell apart.

The colours are Okabe and Ito's ("Color Universal Design", 2008), which stay distinct under
the common kinds of colour blindness; every bar has a label in text beside.
"""

from __future__ import annotations

from typing import Any, Final

GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
SKY_BLUE: Final = "#56B4E9"
VERMILLION: Final = "#D55E00"
GREY: Final = "#B4B4B4"

INK: Final = "#222222"
FAINT_INK: Final = "#5F6368"
GROUND: Final = "#FFFFFF"

# Liberation Sans comes with vl-convert and measures like the other two.
FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"

OUTCOME_COLORS: Final = {
    "went on": BLUE,
    "customer": GREEN,
    "open": SKY_BLUE,
    "lost": VERMILLION,
    "disqualified": GREY,
}
"""What became of those that reached a step, in the order in which the bar is stacked."""

LABEL_COLORS: Final = {
    "went on": GROUND,
    "customer": GROUND,
    "open": INK,
    "lost": GROUND,
    "disqualified": INK,
}
"""What can be read on each of them."""

CONFIG: Final[dict[str, Any]] = {
    "background": GROUND,
    "font": FONT,
    "padding": 20,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "color": INK,
        "fontSize": 20,
        "fontWeight": "bold",
        "subtitleColor": FAINT_INK,
        "subtitleFontSize": 13,
        "subtitlePadding": 6,
        "offset": 18,
    },
    "axis": {
        "domain": False,
        "ticks": False,
        "grid": False,
        "labelColor": INK,
        "labelFontSize": 14,
        "labelPadding": 10,
        "labelLimit": 200,
    },
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 13,
        "symbolType": "square",
        "symbolSize": 140,
        "columnPadding": 18,
        "offset": 16,
    },
    "text": {"color": INK, "fontSize": 14},
    "bar": {"cornerRadius": 1},
}
"""The Vega-Lite configuration of every picture."""
