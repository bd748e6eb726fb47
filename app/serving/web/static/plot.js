// One plot: what was measured, what is expected, what is served. Zoom survives a refresh.

const narrow = matchMedia("(max-width: 40rem)");
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

function traces(shown, capacity) {
  const { history, forecast } = shown;
  const step = (series, name, more) => ({
    x: series.times, y: series.values, mode: "lines", name, connectgaps: false, ...more,
  });
  const pods = shown.served_history.values.map((value) => (value === null ? null : Math.ceil(value / capacity - 1e-9)));
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
    step(shown.served_history, "was served", { line: { color: colour("served"), width: 1, shape: "hv" } }),
    step({ times: shown.served_history.times, values: pods }, "pods asked for", {
      yaxis: "y2", line: { color: colour("quiet"), width: 1, shape: "hv" },
    }),
    ...level(shown.required, "required", "dot"),
    ...level(shown.served, "served", "solid"),
  ];
}

function layout(shown) {
  const axis = { gridcolor: colour("line"), linecolor: colour("line"), zeroline: false };
  return {
    uirevision: `${shown.namespace}/${shown.name}`,
    margin: { l: 56, r: 12, t: 8, b: 60 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("text") },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("raised") },
    legend: {
      orientation: "h", y: 1.02, yanchor: "bottom",
      ...(narrow.matches ? { font: { size: 11 }, entrywidth: 0.46, entrywidthmode: "fraction" } : {}),
    },
    xaxis: {
      ...axis, type: "date", anchor: "y2", tickangle: 0, title: { text: "time, UTC", standoff: 8 }, automargin: true,
      ...(narrow.matches ? { nticks: 4 } : {}),
    },
    yaxis: { ...axis, domain: [0.3, 1], rangemode: "tozero", title: { text: shown.unit } },
    yaxis2: { ...axis, domain: [0, 0.22], rangemode: "tozero", title: { text: "pods" } },
    shapes: [{ type: "line", x0: shown.cut, x1: shown.cut, yref: "paper", y0: 0, y1: 1,
      line: { color: colour("measured"), width: 1, dash: "dot" } }],
  };
}

// Any lines on one axis of times, for the what-if page.
export function drawLines(target, { times, lines, unit, revision }) {
  const shades = ["measured", "served", "alarm", "expected", "perfect"].map(colour);
  const data = lines.map(({ name, values, hidden }, place) => ({
    x: times, y: values, mode: "lines", name, visible: hidden ? "legendonly" : true,
    line: { color: shades[place % shades.length], width: place ? 1.5 : 1 },
  }));
  const { yaxis2, shapes, ...axes } = layout({ namespace: "", name: revision, cut: times[0], unit });
  const whole = { ...axes, xaxis: { ...axes.xaxis, anchor: "y" }, yaxis: { ...axes.yaxis, domain: [0, 1] } };
  return window.Plotly.react(target, data, whole, { responsive: true, displaylogo: false, scrollZoom: true });
}

// A group of bars for each day.
export function drawBars(target, { times, bars, unit, revision }) {
  const shades = ["measured", "served", "perfect", "expected"].map(colour);
  const data = bars.map(({ name, values }, place) => ({
    type: "bar", x: times, y: values, name, marker: { color: shades[place % shades.length] },
  }));
  const { yaxis2, shapes, ...axes } = layout({ namespace: "", name: revision, cut: times[0], unit });
  const days = { ...axes.xaxis, type: "category", anchor: "y", title: { text: "24 h until, UTC", standoff: 8 } };
  const whole = { ...axes, xaxis: days, yaxis: { ...axes.yaxis, domain: [0, 1] }, barmode: "group", height: 260 };
  return window.Plotly.react(target, data, whole, { responsive: true, displaylogo: false });
}

export function draw(target, shown, capacity) {
  const config = { responsive: true, displaylogo: false, scrollZoom: true };
  target.setAttribute("aria-label", `History and forecast of ${shown.name}; the table below has the numbers`);
  return window.Plotly.react(target, traces(shown, capacity), layout(shown), config);
}
