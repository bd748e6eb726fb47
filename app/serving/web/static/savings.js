// What the forecast saved on each replayed day beside the same HPA alone, and how many pods may stand on spot nodes.

import { element, number, time } from "./format.js";
import { drawBars } from "./plot.js";

const field = (id) => document.getElementById(id);
const AMOUNTS = ["asked", "used", "needed", "hpa_only", "short", "hpa_short", "saved"];

export async function show(savings, spot) {
  field("savings-text").textContent = savings.text;
  field("spot-text").textContent = spot.workload_type === null ? "" : spot.text;
  const price = savings.pod_minute_money === null ? "" : `; a pod-minute costs ${number(savings.pod_minute_money)} ${savings.currency}`;
  document.querySelector("#savings caption").textContent
    = `Pod-minutes of each replayed day; a missing one counts as ${number(savings.missing_pod_price)} idle ones${price}`;
  document.querySelector("#savings tbody").replaceChildren(...savings.days.map((day) => line(day, savings.currency)));
  field("savings-plot").hidden = savings.days.length === 0;
  if (savings.days.length) await bars(savings);
}

function line(day, currency) {
  const row = element("tr");
  row.append(element("th", time(day.end), { scope: "row" }), element("td", day.acted ? "yes" : "no"));
  for (const name of AMOUNTS) row.append(element("td", number(day[name]), { class: "number" }));
  const money = day.saved_money === null ? "–" : `${number(day.saved_money)} ${currency}`.trim();
  row.append(element("td", money, { class: "number" }));
  return row;
}

function bars({ name, namespace, days }) {
  const times = days.map((day) => day.end.slice(0, 10));
  const of = (key, label) => ({ name: label, values: days.map((day) => day[key]) });
  return drawBars(field("savings-plot"), {
    times,
    bars: [of("hpa_only", "HPA alone"), of("asked", "asked for"), of("needed", "perfect forecast"), of("used", "used")],
    unit: "pod-minutes",
    revision: `${namespace}/${name}`,
  });
}
