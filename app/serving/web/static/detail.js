// The chosen workload: plot, the steps to its number, and the forecast as a table.

import { element, number, time } from "./format.js";
import { draw } from "./plot.js";

const STEPS = ["demand", "lead", "objective", "required", "trust", "bounds", "served"];
const field = (id) => document.getElementById(id);

export function hide() {
  field("detail").hidden = true;
}

export async function show(forecast, explanation) {
  field("detail").hidden = false;
  field("detail-name").textContent = `${forecast.namespace}/${forecast.name}`;
  verdict(forecast, explanation);
  field("steps").replaceChildren(...STEPS.map((step) => element("li", explanation[step].text)));
  table(forecast.forecast);
  await draw(field("plot"), forecast);
}

function verdict(forecast, explanation) {
  const refused = forecast.served === null;
  field("verdict").className = refused ? "refused" : "";
  field("verdict").textContent = refused
    ? `No value: ${explanation.served.text}`
    : `Served: ${number(forecast.served)} ${forecast.unit}. ${explanation.served.text}`;
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
    for (const { values } of quantiles) row.append(element("td", number(values[index]), { class: "number" }));
    return row;
  });
  document.querySelector("#numbers tbody").replaceChildren(...rows);
}
