// One plot: what was measured, what is expected, what is served. Zoom survives a refresh.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function band(forecast) {
  const paths = forecast.quantiles;
  if (paths.length < 2) return [];
  const [low, high] = [paths[0], paths.at(-1)];
  const edge = (path, more) => ({
    x: forecast.times, y: path.values, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, ...more,
  });
  const name = `${Math.round(low.level * 100)} to ${Math.round(high.level * 100)} % of cases`;
  return [edge(low, {}), edge(high, { fill: "tonexty", fillcolor: colour("band"), showlegend: true, name })];
}

function traces(shown) {
  const { history, forecast } = shown;
  const middle = forecast.quantiles.find((path) => path.level === 0.5);
  const level = (value, name, dash) => (value === null ? [] : [{
    x: [shown.cut, shown.required_until], y: [value, value], mode: "lines", name,
    line: { color: colour("served"), width: 3, dash },
  }]);
  return [
    ...band(forecast),
    { x: history.times, y: history.values, mode: "lines", name: "measured", line: { color: colour("measured"), width: 1 } },
    ...(middle ? [{
      x: forecast.times, y: middle.values, mode: "lines", name: "expected", line: { color: colour("expected"), width: 2 },
    }] : []),
    ...level(shown.required, "required", "dot"),
    ...level(shown.served, "served", "solid"),
  ];
}

function layout(shown) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false };
  return {
    uirevision: `${shown.namespace}/${shown.name}`,
    margin: { l: 56, r: 12, t: 8, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text") },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("raised") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
    xaxis: { ...axis, type: "date", title: { text: "time, UTC" } },
    yaxis: { ...axis, rangemode: "tozero", title: { text: shown.unit } },
    shapes: [{ type: "line", x0: shown.cut, x1: shown.cut, yref: "paper", y0: 0, y1: 1,
      line: { color: colour("measured"), width: 1, dash: "dot" } }],
  };
}

export function draw(target, shown) {
  const config = { responsive: true, displaylogo: false, scrollZoom: true };
  target.setAttribute("aria-label", `History and forecast of ${shown.name}; the table below has the numbers`);
  return window.Plotly.react(target, traces(shown), layout(shown), config);
}
