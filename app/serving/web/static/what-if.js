// The what-if page: a workload or a file, terms, and the answer as a table, curves and money.

import * as api from "./api.js";
import { element, number, percent } from "./format.js";
import { drawLines } from "./plot.js";

const field = (id) => document.getElementById(id);
const CURVES = ["hpa", "reactive", "forecast", "perfect"];
const HIDDEN = ["reactive"]; // until it is asked for: three curves beside the demand are enough
let file = null;
let asked = 0;

function notice(text) {
  field("notice").hidden = text === "";
  field("notice").textContent = text;
}

function take(chosen) {
  file = chosen ?? null;
  if (file) field("workload").value = "";
  field("chosen").textContent = file ? `${file.name}, ${number(file.size / 1000)} kB` : "";
}

function subject() {
  const [namespace, name] = field("workload").value.split("/");
  if (name) return { workload: { namespace, name } };
  return file ? { csv: file } : null;
}

function terms() {
  const found = Object.fromEntries(new FormData(field("question")).entries());
  if (!subject()?.workload) delete found.days; // a file has the days that it has
  return found;
}

function show(found) {
  field("answer").hidden = false;
  field("sentence").textContent = found.sentence;
  field("terms").textContent = `${found.history}: ${number(found.scored_minutes)} minutes scored, `
    + `one pod serves ${number(found.capacity_per_pod)}; the forecast acted ${percent(found.acting_share)} of the time`;
  const rows = CURVES.map((key) => {
    const one = found.policies[key];
    const row = element("tr");
    row.append(element("th", one.name, { scope: "row" }));
    const values = [number(one.cost), number(one.pod_minutes), number(one.short_pod_minutes), `${number(100 * one.overload)} %`, number(one.money)];
    for (const value of values) row.append(element("td", value, { class: "number" }));
    return row;
  });
  document.querySelector("#policies tbody").replaceChildren(...rows);
  const { times, demand, ready } = found.curves;
  const lines = [{ name: "demand, in pods", values: demand },
    ...CURVES.map((key) => ({ name: found.policies[key].name, values: ready[key], hidden: HIDDEN.includes(key) }))];
  return drawLines(field("plot"), { times, lines, unit: "pods", revision: String(asked) });
}

async function ask(event) {
  event.preventDefault();
  const about = subject();
  if (about === null) {
    notice("Choose a workload or a file first.");
    return;
  }
  const mine = ++asked;
  notice("");
  field("answer").hidden = true;
  field("working").hidden = false;
  field("progress").value = 0;
  let found = null;
  try {
    found = await api.whatIf(about, terms(), (share) => { field("progress").value = share; }, () => mine === asked);
  } catch (error) {
    if (mine === asked) notice(error instanceof api.Refused ? error.message : `The service cannot be reached (${error.message}).`);
  }
  if (mine === asked) field("working").hidden = true;
  if (found !== null) await show(found);
}

async function begin() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  try {
    const page = await api.workloads({ limit: 500 });
    for (const item of page.items) {
      const key = `${item.namespace}/${item.name}`;
      field("workload").append(element("option", key, { value: key }));
    }
    field("workload").value = wanted;
  } catch (error) {
    notice(error.message);
  }
}

const drop = field("drop");
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files[0]);
});
field("file").addEventListener("change", () => take(field("file").files[0]));
field("workload").addEventListener("change", () => { if (field("workload").value) take(null); });
field("question").addEventListener("submit", ask);
begin();
