// Asks again as often as there can be something new, not while the page is hidden, and less often after failures.

import * as api from "./api.js";
import * as detail from "./detail.js";
import { element, seconds, time } from "./format.js";
import * as savings from "./savings.js";
import { List } from "./list.js";

const field = (id) => document.getElementById(id);
const LONGEST_WAIT_SECONDS = 60;
let timer = 0;
let failures = 0;
let asked = 0;

const list = new List(() => refresh());

function chosen() {
  const [namespace, name] = location.hash.slice(1).split("/").map(decodeURIComponent);
  return name ? { namespace, name } : null;
}

function notice(text) {
  if (field("notice").textContent === text) return; // an alert is read out whenever it is written
  field("notice").hidden = text === "";
  field("notice").textContent = text;
}

function showHealth(health) {
  const cut = health.cut === null ? "no forecast yet" : `as of ${time(health.cut)}, ${seconds(health.cut_age_seconds)} ago`;
  field("status").textContent = `${health.status}: ${cut}; ${health.workloads} workloads, ${health.refused} without a value`;
  if (health.status === "Stale") notice("No value is served: the numbers are too old. The service's log says what is wrong.");
  else if (health.status === "Starting") notice("Histories are being read and fitted. This page goes on by itself.");
  else notice("");
  const rejected = field("rejected");
  rejected.hidden = health.rejected_total === 0;
  rejected.querySelector("summary").textContent = `${health.rejected_total} LoadForecasts cannot be used`;
  rejected.querySelector("ul").replaceChildren(...health.rejected.map(({ key, text }) => element("li", `${key}: ${text}`)));
}

async function showDetail(workload, mine) {
  const [forecast, explanation, quality, saved, spot] = await Promise.all([
    api.forecast(workload), api.explanation(workload), api.quality(workload), api.savings(workload), api.spot(workload),
  ]);
  if (mine !== asked) return;
  await detail.show(forecast, explanation, quality);
  await savings.show(saved, spot);
}

async function once(mine) {
  const health = await api.health();
  showHealth(health);
  if (health.status === "Starting") return 2;
  const page = await api.workloads(list.parameters());
  if (mine !== asked) return 1; // overtaken by a newer question
  const workload = chosen() ?? page.items[0] ?? null;
  list.show(page, workload);
  if (workload === null) detail.hide();
  else await showDetail(workload, mine);
  return page.poll_seconds;
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++asked;
  let wait = 5;
  try {
    wait = await once(mine);
    failures = 0;
  } catch (error) {
    failures += 1;
    wait = Math.min(2 ** failures, LONGEST_WAIT_SECONDS);
    if (error instanceof api.Refused && error.status === 404) detail.hide();
    notice(error instanceof api.Refused ? error.message : `The service cannot be reached (${error.message}). What is shown may be old.`);
  }
  if (mine === asked && !document.hidden) timer = setTimeout(refresh, wait * 1000);
}

addEventListener("hashchange", () => refresh());
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());
refresh();
