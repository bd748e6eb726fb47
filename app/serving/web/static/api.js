// REST v1 from the page. Addresses are relative: the page also works behind a proxy that adds a prefix.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.message || `answer ${status}`);
    this.status = status;
    this.type = problem.type || "";
  }
}

async function send(path, options = {}) {
  const answer = await fetch(`api/v1/${path}`, { cache: "no-cache", signal: AbortSignal.timeout(30000), ...options });
  if (answer.ok) return answer;
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

const get = async (path) => (await send(path)).json();

// Answers that take a while are 202 with an address; asked for until they are there or `going` says no.
async function awaited(answer, onProgress, going) {
  while (answer.status === 202) {
    const { progress, location } = await answer.json();
    onProgress(progress);
    await new Promise((done) => { setTimeout(done, 1000 * Number(answer.headers.get("retry-after") || 1)); });
    if (!going()) return null;
    answer = await send(location.replace(/^.*\/api\/v1\//, ""));
  }
  return answer.json();
}

function address({ namespace, name }) {
  return `namespaces/${encodeURIComponent(namespace)}/loadforecasts/${encodeURIComponent(name)}`;
}

export const health = () => get("health");

export const openapi = () => get("openapi.json");

export const explanation = (workload) => get(`${address(workload)}/explanation`);

export const forecast = (workload) => get(`${address(workload)}/forecast?history=86400`);

export const quality = (workload) => get(`${address(workload)}/quality`);

export const savings = (workload) => get(`${address(workload)}/savings`);

export const spot = (workload) => get(`${address(workload)}/spot`);

export async function explanationAt(workload, at, onProgress, going) {
  return awaited(await send(`${address(workload)}/explanation?${new URLSearchParams({ at })}`), onProgress, going);
}

// Of a workload's own past, or of a CSV text.
export async function whatIf({ workload, csv }, terms, onProgress, going) {
  const query = new URLSearchParams(Object.entries(terms).filter(([, value]) => value !== ""));
  const asked = workload
    ? send(`${address(workload)}/what-if?${query}`, { method: "POST" })
    : send(`what-if?${query}`, { method: "POST", body: csv, headers: { "content-type": "text/csv" } });
  return awaited(await asked, onProgress, going);
}

export function workloads(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);
  return get(`workloads?${new URLSearchParams(given)}`);
}
