"""A matplotlib figure as SVG that stands inside an HTML page: its colours and type are the page's.

The SVG names nothing outside itself, and the same figure gives the same bytes: no date, no random
ids, coordinates to a hundredth of a pixel. A colour is drawn under a number of its own and becomes
a CSS variable of the page, so that one drawing serves light and dark screens.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_PX: Final = 500
"""Of every figure; the page scales it to its column, down to a telephone's."""

DPI: Final = 72
"""At which matplotlib's points, inches / 72, are the pixels of the drawing."""

INK: Final = "#010101"
MUTED: Final = "#010102"
GRID: Final = "#010103"
PAPER: Final = "#010104"
SERIES: Final = tuple(f"#0102{number:02x}" for number in range(1, 7))
"""Stand for the page's colours; the page's style sheet says which they are."""

VARIABLES: Final = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)},
}

STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: readable, selectable, in the page's typeface
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.family": ["DejaVu Sans"],  # measures the text; comes with matplotlib, so it is everywhere
    "font.size": 12.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 12.0,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.06,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "hatch.color": PAPER,
    "hatch.linewidth": 1.0,
}

NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline(
    name: str, title: str, description: str, height_px: int, draw: Callable[[Figure], None]
) -> str:
    """The SVG of what `draw` puts on a figure; `name` keeps its ids apart from other figures'.

    `title` and `description` are what a screen reader says of it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Letters that the measuring font lacks are drawn by the browser, which has other fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update(STYLE)
        matplotlib.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI, layout="constrained")
        draw(figure)
        figure.savefig(text, format="svg", metadata=NO_METADATA)
    return _cleaned(text.getvalue(), name, title, description)


def _cleaned(text: str, name: str, title: str, description: str) -> str:
    root = ElementTree.fromstring(text)  # noqa: S314  matplotlib's own output
    used = set(re.findall(r"#([A-Za-z_][\w.-]*)", text))
    for node in root.iter():
        node.tag = _local(node.tag)
        for key, value in list(node.attrib.items()):
            del node.attrib[key]
            if key in {"fill", "stroke"}:
                node.set("style", f"{key}: {_value('style', value)}; {node.get('style', '')}")
            elif not (key == "id" and value not in used):
                node.set(_local(key), _value(key, value))
    for node in root.findall("defs"):
        if node.find("style") is not None:
            root.remove(node)  # it would hold for the whole page
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": _view_box(text),
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-description",
        }
    )
    for at, (tag, words) in enumerate((("title", title), ("desc", description))):
        node = ElementTree.Element(
            tag, {"id": f"{name}-{'title' if tag == 'title' else 'description'}"}
        )
        node.text = words
        root.insert(at, node)
    for node in root.iter():
        node.tail = None
        if node.text is not None and not node.text.strip():
            node.text = None
    return ElementTree.tostring(root, encoding="unicode")


def _view_box(text: str) -> str:
    found = re.search(r'viewBox="([^"]+)"', text)
    assert found is not None, "matplotlib writes one"
    return _rounded(found[1])


def _local(name: str) -> str:
    """A name without its namespace: HTML knows SVG's elements, and `href` is XLink's heir."""
    return name.rpartition("}")[2]


def _value(key: str, value: str) -> str:
    if key == "style":
        value = re.sub(r"font(-family)?: [^;]*(; |$)", _only_size, value)
        return re.sub(r"#[0-9a-f]{6}", lambda found: VARIABLES.get(found[0], found[0]), value)
    if key in {"d", "x", "y", "transform", "width", "height"}:
        return " ".join(_rounded(value).split())
    return value


def _only_size(found: re.Match[str]) -> str:
    """The page chooses the typeface; a shorthand keeps its weight and size."""
    if found[1]:
        return ""
    weight_and_size = re.match(r"font: (?:(bold|\d+) )?([\d.]+px)", found[0])
    assert weight_and_size is not None, found[0]
    weight = f"font-weight: {weight_and_size[1]}; " if weight_and_size[1] else ""
    return f"{weight}font-size: {weight_and_size[2]}; "


def _rounded(text: str) -> str:
    return re.sub(
        r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text
    )
