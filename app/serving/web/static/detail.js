// The chosen workload: plot, the steps to its number now or then, how good it was, and the forecast as a table.

import * as api from "./api.js";
import { element, number, percent, time } from "./format.js";
import { draw } from "./plot.js";

const STEPS = ["demand", "lead", "objective", "voices", "calendar", "required", "trust", "drop", "sizes", "bounds", "served"];
const field = (id) => document.getElementById(id);
let shown = null; // the workload
let then = null; // the explanation of a past time, while one is wanted

export function hide() {
  field("detail").hidden = true;
}

export async function show(forecast, explanation, quality) {
  if (shown === null || shown.namespace !== forecast.namespace || shown.name !== forecast.name) forget();
  shown = { namespace: forecast.namespace, name: forecast.name };
  field("detail").hidden = false;
  field("detail-name").textContent = `${forecast.namespace}/${forecast.name}`;
  field("ask-what-if").href = `what-if#${encodeURIComponent(shown.namespace)}/${encodeURIComponent(shown.name)}`;
  verdict(forecast, explanation);
  steps(then ?? explanation);
  good(quality);
  events(forecast, explanation);
  table(forecast.forecast);
  await draw(field("plot"), forecast, capacity(explanation));
}

function forget() {
  then = null;
  field("at").value = "";
  field("then-state").textContent = "";
}

const capacity = (explanation) => explanation.objective.capacity_per_pod;

function steps(explanation) {
  field("steps").replaceChildren(...STEPS.map((step) => element("li", explanation[step].text)));
}

function verdict(forecast, explanation) {
  const refused = forecast.served === null;
  field("verdict").className = refused ? "refused" : "";
  field("verdict").textContent = refused
    ? `No value: ${explanation.served.text}`
    : `Served: ${number(forecast.served)} ${forecast.unit}. ${explanation.served.text}`;
}

function cells(row, values) {
  for (const value of values) row.append(element("td", value, { class: "number" }));
  return row;
}

function good(quality) {
  field("quality-text").textContent = quality.text;
  const rows = quality.days.map((day) => {
    const row = element("tr");
    row.append(element("th", time(day.end), { scope: "row" }));
    return cells(row, [
      number(day.reactive_pod_minutes), number(day.forecast_pod_minutes), number(day.reactive_short_pod_minutes),
      number(day.forecast_short_pod_minutes), percent(day.skill), percent(day.coverage),
    ]);
  });
  document.querySelector("#quality tbody").replaceChildren(...rows);
}

// What the plot shows, in words: gaps, what was refused, the largest number ahead.
function events(forecast, explanation) {
  const found = [explanation.calendar.text, explanation.drop.text];
  const gaps = forecast.history.values.filter((value) => value === null).length;
  if (gaps) found.push(`${gaps} of the ${forecast.history.values.length} last measurements are missing.`);
  const last = forecast.forecast.quantiles.at(-1);
  const known = last ? last.values.filter((value) => value !== null) : [];
  if (known.length) {
    const most = Math.max(...known);
    const at = forecast.forecast.times[last.values.indexOf(most)];
    found.push(`The largest ${number(last.level * 100)} % quantile ahead is ${number(most)} ${forecast.unit}, at ${time(at)}.`);
  }
  field("events").replaceChildren(...found.map((text) => element("li", text)));
}

function table({ times, quantiles }) {
  const head = element("tr");
  head.append(element("th", "Time", { scope: "col" }));
  for (const { level } of quantiles) {
    head.append(element("th", `${number(level * 100)} %`, { scope: "col", class: "number" }));
  }
  document.querySelector("#numbers thead").replaceChildren(head);
  const rows = times.map((at, index) => {
    const row = element("tr");
    row.append(element("th", time(at), { scope: "row" }));
    return cells(row, quantiles.map(({ values }) => number(values[index])));
  });
  document.querySelector("#numbers tbody").replaceChildren(...rows);
}

async function explainThen(event) {
  event.preventDefault();
  const workload = shown;
  const at = field("at").value;
  then = null;
  if (!at) {
    field("then-state").textContent = "";
    steps(await api.explanation(workload));
    return;
  }
  const going = () => shown === workload && field("at").value === at;
  const state = (text) => { field("then-state").textContent = text; };
  state("reading the history…");
  try {
    const found = await api.explanationAt(workload, `${at}Z`, (share) => state(`${Math.round(100 * share)} %`), going);
    if (found === null) return;
    then = found;
    const value = found.served.quantity ?? "nothing";
    state(`As of ${time(found.cut)} ${value} was served; computed anew from the history up to then.`);
    steps(found);
  } catch (error) {
    state(error.message);
  }
}

field("then").addEventListener("submit", explainThen);
