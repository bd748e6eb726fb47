// REST v1 from the page. Addresses are relative: the page also works behind a proxy that adds a prefix.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.message || `answer ${status}`);
    this.status = status;
    this.type = problem.type || "";
  }
}

async function get(path) {
  const answer = await fetch(`api/v1/${path}`, { cache: "no-cache", signal: AbortSignal.timeout(10000) });
  if (answer.ok) return answer.json();
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

function address({ namespace, name }) {
  return `namespaces/${encodeURIComponent(namespace)}/loadforecasts/${encodeURIComponent(name)}`;
}

export const health = () => get("health");

export const explanation = (workload) => get(`${address(workload)}/explanation`);

export const forecast = (workload) => get(`${address(workload)}/forecast`);

export function workloads(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null);
  return get(`workloads?${new URLSearchParams(given)}`);
}
