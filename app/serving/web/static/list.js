// The table of workloads, filtered and paged by the server: the page never holds more than one page of them.

import { element, number, percent, seconds, sparkline } from "./format.js";

const LIMIT = 25;
const POINTS = 48;
const field = (id) => document.getElementById(id);

export class List {
  constructor(onChange) {
    this.tokens = [null]; // of the pages up to the one shown
    this.following = null;
    this.order = "";
    const first = () => { this.tokens = [null]; onChange(); };
    field("filters").addEventListener("submit", (event) => { event.preventDefault(); first(); });
    field("filters").addEventListener("input", first);
    for (const head of document.querySelectorAll("#workloads th[data-sort]")) {
      const button = element("button", head.textContent, { type: "button", class: "sort" });
      button.addEventListener("click", () => { this.sortBy(head.dataset.sort); first(); });
      head.replaceChildren(button);
    }
    field("next").addEventListener("click", () => { this.tokens.push(this.following); onChange(); });
    field("previous").addEventListener("click", () => { this.tokens.pop(); onChange(); });
  }

  // The largest first, then the least, then by name again.
  sortBy(column) {
    const next = { "": `-${column}`, [`-${column}`]: column, [column]: "" };
    this.order = next[this.order] ?? `-${column}`;
    for (const head of document.querySelectorAll("#workloads th[data-sort]")) {
      const falling = this.order === `-${head.dataset.sort}`;
      const sorted = falling || this.order === head.dataset.sort;
      if (sorted) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  parameters() {
    return {
      limit: LIMIT,
      sparkline: POINTS,
      sort: this.order,
      continue: this.tokens.at(-1),
      search: field("search").value.trim(),
      acting: field("acting").value,
      reason: field("reason").value,
    };
  }

  show(page, selected) {
    this.following = page.continue;
    field("next").disabled = page.continue === null;
    field("previous").disabled = this.tokens.length === 1;
    const first = (this.tokens.length - 1) * LIMIT + 1;
    field("total").textContent = page.total === 0 ? this.emptiness()
      : `${first} to ${first + page.items.length - 1} of ${page.total}`;
    const rows = page.items.map((item) => this.row(item, selected));
    const focused = document.activeElement?.getAttribute("href");
    document.querySelector("#workloads tbody").replaceChildren(...rows);
    if (focused) document.querySelector(`#workloads a[href="${CSS.escape(focused)}"]`)?.focus();
    this.remember(page.items.map((item) => item.reason));
  }

  emptiness() {
    const { search, acting, reason } = this.parameters();
    return search || acting || reason ? "No workload matches."
      : "There is no LoadForecast yet. Create one, and its forecast appears here.";
  }

  row(item, selected) {
    const row = element("tr");
    const key = `${item.namespace}/${item.name}`;
    if (selected && key === `${selected.namespace}/${selected.name}`) row.setAttribute("aria-current", "true");
    const name = element("td");
    name.append(element("a", item.name, { href: `#${encodeURIComponent(item.namespace)}/${encodeURIComponent(item.name)}` }));
    const served = element("td", item.served === null ? "refused" : number(item.served),
      { class: item.served === null ? "number refused" : "number" });
    const line = element("td");
    line.append(sparkline(item.sparkline));
    const numeric = (text) => element("td", text, { class: "number" });
    row.append(
      element("td", item.namespace), name, line, served, numeric(number(item.demand)), numeric(number(item.required)),
      element("td", item.unit), numeric(number(item.pods)), element("td", item.reason, { title: item.note }),
      numeric(percent(item.skill)), numeric(seconds(item.age_seconds)),
    );
    return row;
  }

  remember(reasons) {
    const select = field("reason");
    const known = new Set([...select.options].map((option) => option.value));
    for (const reason of reasons) {
      if (!known.has(reason)) {
        known.add(reason);
        select.append(element("option", reason, { value: reason }));
      }
    }
  }
}
