"""The style that all charts share: type, grid, sizes, and how data, layers and documents are
encoded.

Text and rules have the colour `currentColor`: on a page they follow its light, dark or print style
without being drawn again; in a separate SVG or PNG they are black.
"""

from typing import Any

import altair as alt
import polars as pl
import polars.selectors as cs

DATA_NAME = "drawn"
ALL_DOCUMENTS = "all documents"
ALL_MODELS = "all models"
TOKEN_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
# Fonts of an SVG. The renderer brings the first and measures the layout with it; the others have
# the same widths. On a page the browser measures with its own font.
SVG_FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"
INK = "currentColor"

CONFIG: dict[str, Any] = {
    # A figure has one name, and a table behind it. Names of single marks would be read out by the
    # thousand, and would be most of a file.
    "aria": False,
    "mark": {"aria": False},
    "background": "white",
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "offset": 12, "color": INK},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "labelOpacity": 0.8,
        "titleOpacity": 0.8,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "domainColor": INK,
        "domainOpacity": 0.3,
        "tickColor": INK,
        "tickOpacity": 0.3,
        "gridColor": INK,
        "gridOpacity": 0.1,
        "labelLimit": 160,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False},
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "orient": "top",
        "offset": 8,
        "labelLimit": 220,
        "symbolStrokeWidth": 2.5,
        "symbolOpacity": 1,  # of the line, not of the band behind it
    },
    "header": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "labelFontWeight": 600,
        "labelAnchor": "start",
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "text": {"color": INK, "fontSize": 11},
    "line": {"strokeJoin": "round", "strokeWidth": 2},
    "rule": {"color": INK},
}


DATA = alt.NamedData(name=DATA_NAME)  # of a chart whose figure adds types and values


def data_source(frame: pl.DataFrame) -> alt.NamedData:
    """The data of a chart: `frame` under DATA_NAME, with its types. Figure.spec adds the values."""
    kinds = frame.schema.items()
    parse = {name: "number" if kind.is_numeric() else "string" for name, kind in kinds}
    return alt.NamedData(name=DATA_NAME, format=alt.CsvDataFormat(type="csv", parse=parse))


def one_row() -> alt.Data:
    """Data for a mark that is drawn once, not once per row: a line at a threshold."""
    return alt.Data(values=[{}])


def known(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with null in place of NaN."""
    return frame.with_columns(cs.float().fill_nan(None))


def rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Floats rounded to six decimals, as they are drawn and offered as CSV; NaN becomes null."""
    return known(frame).with_columns(cs.float().round(6))


def limits(values: pl.Series) -> list[float]:
    """Smallest and largest value; 0 and 0 if there are none."""
    numbers = values.drop_nulls().to_list()
    return [float(min(numbers, default=0)), float(max(numbers, default=0))]


def layer_width(n_layers: int) -> int:
    """Width in pixels of a chart with layers along x: comfortable for 6, enough for 80."""
    return min(720, max(320, 22 * n_layers))


def layer_axis(n_layers: int, title: str = "layer") -> alt.X:
    """Layers, 0-based, along x; a tick only at whole numbers."""
    step = next(step for step in (1, 2, 5, 10, 20, 50) if n_layers / step <= 31)
    ticks = list(range(0, n_layers, step))
    scale = alt.Scale(domain=[0, max(n_layers - 1, 1)], nice=False, padding=8)
    return alt.X("layer:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format="d"))


def colours(field: str, title: str | None, by_name: dict[str, str]) -> alt.Color:
    """A nominal colour; by_name: value to colour, in the order of the legend."""
    scale = alt.Scale(domain=list(by_name), range=list(by_name.values()))
    return alt.Color(f"{field}:N", title=title, scale=scale)


def document_picker(documents: list[str]) -> alt.Parameter:
    """The parameter `document`; the page binds its own picker to it. The first entry is shown."""
    bind = alt.binding_select(options=documents, name="document ")
    return alt.param(name="document", value=documents[0], bind=bind)


OF_DOCUMENT = "datum.document === document"
# Documents as points behind their mean, where the picker shows the mean.
BEHIND_MEAN = f"document === '{ALL_DOCUMENTS}' && datum.document !== document"
