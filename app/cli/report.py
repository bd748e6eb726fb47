"""The page that `forescale replay --report` writes: one file, nothing from a network."""

from html import escape
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from app.cli.tables import header, rows
from app.pipeline.whatif import Replayed, answer, curves, names

_POINTS = 20_000  # a browser stays quick with


def write_report(path: Path, done: Replayed) -> None:
    """Plot of demand and of the pods that were ready, the table, and the sentence."""
    told = answer(done)
    plot = _figure(done).to_html(full_html=False, include_plotlyjs="inline")
    cells = "".join(f"<th>{escape(name)}</th>" for name in header(told))
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(told))
    terms = (
        f"lead {told.terms.lead_minutes} min, a forecast every {told.terms.every_minutes} min, "
        f"price {told.terms.price:g}, a pod serves {told.capacity_per_pod:.4g}"
    )
    path.write_text(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(told.history)}</title>"
        "<style>body{font:16px system-ui;margin:2rem;max-width:75rem}td,th{padding:.2rem .8rem;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>"
        f"<h1>{escape(told.history)}</h1><p><b>{escape(told.sentence)}</b></p><p>{escape(terms)}</p>"
        f"<table><tr>{cells}</tr>{body}</table>{plot}</html>"
    )


def _figure(done: Replayed) -> go.Figure:
    found, called = curves(done, points=_POINTS), names(done)
    times = pd.to_datetime(found.times_s, unit="s", utc=True)
    traces = [go.Scattergl(x=times, y=found.demand, name="demand, in pods", mode="lines")]
    for key, values in found.ready.items():
        hidden = None if key == "forecast" else "legendonly"
        traces.append(go.Scattergl(x=times, y=values, name=f"ready: {called[key]}", mode="lines", visible=hidden))
    figure = go.Figure(traces)
    figure.update_layout(template="plotly_white", hovermode="x unified", yaxis_title="pods", height=560)
    figure.update_xaxes(rangeslider_visible=True)
    return figure
