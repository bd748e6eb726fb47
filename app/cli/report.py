"""The page that `forescale replay --report` writes: one file, nothing from a network."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.pipeline.rehearsal import RehearsalOptions, Rehearsed
from app.planning.replay import STABILIZATION_SECONDS, replay
from app.sources.history_file import HistoryFile

_POINTS = 20_000  # a browser stays quick with


def write_report(
    path: Path,
    file: HistoryFile,
    options: RehearsalOptions,
    rehearsed: Rehearsed,
    *,
    first: int,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    sentence: str,
) -> None:
    """Plot of demand, capacity asked for and ready, the table, and the sentence."""
    figure = _figure(file, options, rehearsed, first)
    plot = figure.to_html(full_html=False, include_plotlyjs="inline")
    cells = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    told = (
        f"lead {options.lead_minutes} min, a forecast every {options.every_minutes} min, price {options.price:g}, "
        f"a pod serves {options.capacity_per_pod:.4g}"
    )
    path.write_text(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(file.name)}</title>"
        "<style>body{font:16px system-ui;margin:2rem;max-width:75rem}td,th{padding:.2rem .8rem;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>"
        f"<h1>{escape(file.name)}</h1><p><b>{escape(sentence)}</b></p><p>{escape(told)}</p>"
        f"<table><tr>{cells}</tr>{body}</table>{plot}</html>"
    )


def _figure(file: HistoryFile, options: RehearsalOptions, rehearsed: Rehearsed, first: int) -> go.Figure:
    demand, capacity = file.demand[first:], rehearsed.capacity[first:]
    outcome = replay(
        demand[None],
        capacity[None],
        capacity_per_pod=np.asarray([options.capacity_per_pod]),
        lead_steps=np.asarray([options.lead_minutes]),
        stabilization_steps=STABILIZATION_SECONDS // 60,
        step_seconds=60,
    )
    stride = -(-demand.size // _POINTS)
    times = pd.to_datetime(rehearsed.times_s[first:][::stride], unit="s", utc=True)
    lines = {
        "demand": _largest(demand, stride),
        "capacity asked for": _largest(outcome.asked[0] * options.capacity_per_pod, stride),
        "capacity ready": -_largest(-outcome.ready[0] * options.capacity_per_pod, stride),
    }
    traces = [go.Scattergl(x=times, y=values, name=name, mode="lines") for name, values in lines.items()]
    figure = go.Figure(traces)
    figure.update_layout(template="plotly_white", hovermode="x unified", yaxis_title="unit of the history", height=560)
    figure.update_xaxes(rangeslider_visible=True)
    return figure


def _largest(values: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """The largest of each `stride` numbers, so that no peak is lost."""
    padded = np.concatenate([values, np.full(-values.size % stride, values[-1])])
    largest: NDArray[np.float64] = padded.reshape(-1, stride).max(axis=1)
    return largest
