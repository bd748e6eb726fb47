"""A dashboard as a picture, from the same queries and in the same grid as Grafana's: to be looked at, not compared.

Thresholds are dashed lines, axes begin where the panel says, stacked series are areas; what Grafana would write as
`no data` is written so here too.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tests.e2e.dashboards.asking import Datasource, Line, seconds
from tools.monitoring.dashboard import COLUMNS, Dashboard

_CELL_INCHES = (0.62, 0.34)
_MOST_LINES = 8
AUTO = "__auto"
_ONE_COLUMN = 3  # lines that a legend has in one column
_LAST_SECONDS = 300
_PLAIN = {"font.size": 7, "axes.titlesize": 8, "axes.spines.top": False, "axes.spines.right": False}
_DAY_SECONDS = 86_400
_TEN_MINUTES = 600 / 86_400
_BINARY = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_TIMES = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def draw(dashboard: Dashboard, source: Datasource, path: Path, *, start_s: float, now_s: float) -> list[str]:
    """Writes a PNG of the time from start_s on; gives the titles of panels without data."""
    panels = dashboard.json()["panels"]
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels)
    empty = []
    with plt.rc_context(_PLAIN):
        figure = plt.figure(figsize=(COLUMNS * _CELL_INCHES[0], height * _CELL_INCHES[1] + 0.4), dpi=80)
        figure.suptitle(dashboard.title, x=0.01, y=1 - 0.1 / figure.get_figheight(), ha="left", va="top", fontsize=11)
        for panel in panels:
            axes = _place(figure, panel["gridPos"], height)
            if panel["type"] == "row":
                _heading(axes, panel["title"])
                continue
            own = bool(panel.get("timeFrom"))
            span_s = (now_s - _LAST_SECONDS, now_s) if own else (start_s, now_s + seconds(dashboard.end))
            if not _draw_panel(axes, panel, _asked(panel, source, start_s=span_s[0], end_s=span_s[1])):
                empty.append(panel["title"])
        figure.savefig(path, metadata={"Software": None})
        plt.close(figure)
    return empty


def _place(figure: plt.Figure, grid: dict[str, int], rows: int) -> Axes:
    """The cell of the grid, less room for title and labels."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    top = (0.4 + grid["y"] * _CELL_INCHES[1]) / high
    box = (grid["x"] * _CELL_INCHES[0] / wide, 1 - top - grid["h"] * _CELL_INCHES[1] / high)
    size = (grid["w"] * _CELL_INCHES[0] / wide, grid["h"] * _CELL_INCHES[1] / high)
    left, right, below, above = 0.55 / wide, 0.15 / wide, 0.3 / high, 0.25 / high
    inner = (box[0] + left, box[1] + below, size[0] - left - right, max(size[1] - below - above, 0.01 / high))
    return figure.add_axes(inner)


def _asked(panel: dict[str, Any], source: Datasource, *, start_s: float, end_s: float) -> list[tuple[str, Line]]:
    found = []
    for target in panel["targets"]:
        if target["instant"]:
            lines = source.instant(target["expr"], at_s=end_s, range_seconds=end_s - start_s)
        else:
            lines = source.range(target["expr"], start_s=start_s, end_s=end_s)
        legend = target["legendFormat"]
        found += [(_differing(line, lines) if legend == AUTO else _named(legend, line.labels), line) for line in lines]
    return found


def _differing(one: Line, lines: Sequence[Line]) -> str:
    """As Grafana names a line by itself: by the labels that are not the same everywhere."""
    return ", ".join(
        value for label, value in one.labels.items() if len({each.labels.get(label) for each in lines}) > 1
    )


def _named(legend: str, labels: dict[str, str]) -> str:
    for label, value in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend or ", ".join(value for label, value in labels.items() if label != "__name__")


def _heading(axes: Axes, title: str) -> None:
    axes.set_axis_off()
    axes.text(-0.02, 0.2, title, fontsize=9, fontweight="bold", transform=axes.transAxes)


def _draw_panel(axes: Axes, panel: dict[str, Any], found: Sequence[tuple[str, Line]]) -> bool:
    axes.set_title(panel["title"], loc="left")
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if not found:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no data", ha="center", va="center", transform=axes.transAxes)
    elif panel["type"] == "stat":
        _stat(axes, panel, found[0][1].values[-1])
    elif panel["type"] == "table":
        _table(axes, found, unit)
    else:
        _series(axes, panel, found)
    return bool(found)


def _limit(panel: dict[str, Any]) -> tuple[float, bool] | None:
    """The threshold, and whether below it is good."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return (steps[1]["value"], steps[0]["color"] == "green") if len(steps) > 1 else None


def _stat(axes: Axes, panel: dict[str, Any], value: float) -> None:
    limit = _limit(panel)
    good = limit is None or (value <= limit[0] if limit[1] else value >= limit[0])
    colour = "black" if limit is None else ("#2a7f3f" if good else "#c25e00")
    axes.set_axis_off()
    text = written(value, panel["fieldConfig"]["defaults"]["unit"])
    axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=17, color=colour, transform=axes.transAxes)


def _table(axes: Axes, found: Sequence[tuple[str, Line]], unit: str) -> None:
    axes.set_axis_off()
    for place, (name, line) in enumerate(found[:10]):
        y = 0.95 - place * 0.095
        axes.text(0, y, name[:60], va="top", transform=axes.transAxes)
        axes.text(1, y, written(line.values[-1], unit), va="top", ha="right", transform=axes.transAxes)


def _series(axes: Axes, panel: dict[str, Any], found: Sequence[tuple[str, Line]]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    unit, limit = defaults["unit"], _limit(panel)
    if "stacking" in defaults["custom"]:
        _stack(axes, found)
    else:
        _band(axes, panel, dict(found))
        for number, (name, line) in enumerate(found):
            label = name if number < _MOST_LINES else None
            axes.plot(_dates(line.times_s), line.values, linewidth=0.9, label=label)
    if limit is not None:
        axes.axhline(limit[0], color="#c25e00", linewidth=0.8, linestyle="--")
    _room_for_legend(axes, found)
    if "min" in defaults:
        axes.set_ylim(bottom=defaults["min"])
    if "max" in defaults:
        axes.set_ylim(top=defaults["max"])
    axes.yaxis.set_major_formatter(lambda value, _: written(value, unit))
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    _time_axis(axes, found)
    if any(name for name, _ in found):
        axes.legend(fontsize=5.5, frameon=False, loc="upper left", ncols=2 if len(found) > _ONE_COLUMN else 1)


def _band(axes: Axes, panel: dict[str, Any], found: dict[str, Line]) -> None:
    """Between two quantiles, as the panel's overrides say."""
    for style in panel["fieldConfig"]["overrides"]:
        upper = style["matcher"]["options"]
        lower = next((one["value"] for one in style["properties"] if one["id"] == "custom.fillBelowTo"), None)
        if lower in found and upper in found:
            line, base = found[upper], np.interp(found[upper].times_s, found[lower].times_s, found[lower].values)
            axes.fill_between(_dates(line.times_s), base, line.values, alpha=0.2, linewidth=0)


def _room_for_legend(axes: Axes, found: Sequence[tuple[str, Line]]) -> None:
    bottom, top = axes.get_ylim()
    rows = math.ceil(min(len(found), _MOST_LINES) / (2 if len(found) > _ONE_COLUMN else 1))
    if all(value == 0 for _, line in found for value in line.values):
        top = 1.0  # else the axis would show fractions of nothing
    axes.set_ylim(bottom, top + (top - bottom) * 0.09 * rows)


def _stack(axes: Axes, found: Sequence[tuple[str, Line]]) -> None:
    """Areas on one grid of times; where a series has no value it adds nothing."""
    times_s = sorted({at for _, line in found for at in line.times_s})
    heights = [np.zeros(len(times_s)) for _ in found]
    for row, (_, line) in zip(heights, found, strict=True):
        row[np.searchsorted(times_s, line.times_s)] = line.values
    axes.stackplot(_dates(times_s), heights, labels=[name for name, _ in found[:_MOST_LINES]], alpha=0.6, linewidth=0)


def _dates(times_s: Sequence[float]) -> np.ndarray:
    return np.asarray(times_s) / _DAY_SECONDS


def _time_axis(axes: Axes, found: Sequence[tuple[str, Line]]) -> None:
    first, last = (pick(at for _, line in found for at in line.times_s) for pick in (min, max))
    days = (last - first) / _DAY_SECONDS
    form = "%d %b" if days > 4 else "%H:%M" if days > _TEN_MINUTES else "%H:%M:%S"
    axes.set_xticks(np.linspace(first, last, 5) / _DAY_SECONDS)
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter(form))


def written(value: float, unit: str) -> str:
    """A number as Grafana writes it in that unit."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "currencyUSD":
        return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.3g}"
    if unit == "bytes":
        size, name = next((one for one in _BINARY if abs(value) >= one[0]), (1, "B"))
        return f"{value / size:.3g} {name}"
    if unit == "s":
        size, name = next((one for one in _TIMES if abs(value) >= one[0]), (1.0, "s"))
        return f"{value / size:,.0f} {name}" if value >= 1000 * size else f"{value / size:.3g} {name}"
    end = {"reqps": " req/s", "ops": " ops/s", "d": " d"}.get(unit, "")
    return f"{value:.3g}{end}" if abs(value) < 1000 else f"{value:,.0f}{end}"
