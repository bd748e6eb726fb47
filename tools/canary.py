"""A canary of an MCP server behind the mesh: shares of traffic, and the numbers that decide.

    python -m tools.canary status mcp-catalog          shares, and how canary and stable compare
    python -m tools.canary step mcp-catalog 10         a tenth of modern traffic to the canary, if the numbers allow it
    python -m tools.canary promote mcp-catalog         stable becomes what the canary is
    python -m tools.canary abort mcp-catalog           all traffic back to stable, at once and whatever the numbers

The VirtualService NAME has routes with the subsets `stable` and `canary`; the Deployments are NAME and NAME-canary.
Routes without a canary (legacy sessions) are not touched. Numbers come from the servers' own metrics, which see the
errors that MCP puts inside HTTP 200.
"""

import json
import subprocess
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer

app = typer.Typer(add_completion=False, help=__doc__.splitlines()[0] if __doc__ else "")

LEAST_CALLS = 50  # fewer say nothing about an error ratio of one in a hundred
ERROR_MARGIN = 0.01  # the canary may fail by one call in a hundred more than stable does
SLOWER_FACTOR = 1.25  # and be slower by a quarter at the 95th percentile
_SECONDS = 'mcp_server_operation_duration_seconds_{part}{{namespace="{namespace}",pod=~"{pods}"{more}}}'

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Of the server.")]
Prometheus = Annotated[str, typer.Option(envvar="PROMETHEUS_URL", help="Address of its API.")]
Window = Annotated[str, typer.Option(help="Over which the two are compared.")]
Force = Annotated[bool, typer.Option("--force", help="Whatever the numbers say.")]


@dataclass(frozen=True)
class Side:
    """What one side did in the window. seconds: its 95th percentile, NaN without calls."""

    calls: float
    errors: float
    seconds: float

    @property
    def error_ratio(self) -> float:
        """0 to 1."""
        return self.errors / self.calls if self.calls else 0.0


def objections(stable: Side, canary: Side) -> list[str]:
    """Why the canary must not get more traffic; empty if it may."""
    found = []
    if canary.calls < LEAST_CALLS:
        found.append(f"the canary answered {canary.calls:.0f} calls, {LEAST_CALLS} are the least that say anything")
    if canary.error_ratio > stable.error_ratio + ERROR_MARGIN:
        found.append(f"{canary.error_ratio:.1%} of its calls failed, of stable's {stable.error_ratio:.1%}")
    if stable.calls and not canary.seconds <= SLOWER_FACTOR * stable.seconds:  # NaN objects too
        found.append(f"its 95th percentile is {canary.seconds:.3f} s, stable's {stable.seconds:.3f} s")
    return found


def side(prometheus: str, namespace: str, deployment: str, window: str) -> Side:
    """Asks for one Deployment's pods. `name-canary-...` is not a pod of `name`: hash and suffix hold no dash."""
    pods = f"{deployment}-[a-z0-9]+-[a-z0-9]+"

    def ask(part: str, more: str, template: str) -> float:
        selector = _SECONDS.format(part=part, namespace=namespace, pods=pods, more=more)
        answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": template % selector}, timeout=10)
        result = answer.raise_for_status().json()["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    increase = f"sum(increase(%s[{window}]))"
    quantile = f"histogram_quantile(0.95, sum by (le) (rate(%s[{window}])))"
    return Side(
        ask("count", "", increase),
        ask("count", ',error_type!=""', increase),
        ask("bucket", "", quantile) or float("nan"),
    )


def patches(service: dict[str, Any], percent: int) -> list[dict[str, Any]]:
    """JSON patch that gives the canary `percent` of each route that has one; refuses a VirtualService without."""
    found: list[dict[str, Any]] = []
    for number, route in enumerate(service["spec"]["http"]):
        subsets = [one["destination"].get("subset") for one in route["route"]]
        if subsets == ["stable", "canary"]:
            found.append({"op": "test", "path": f"/spec/http/{number}/name", "value": route["name"]})
            for index, weight in enumerate((100 - percent, percent)):
                path = f"/spec/http/{number}/route/{index}/weight"
                found.append({"op": "add", "path": path, "value": weight})
    if not found:
        raise typer.BadParameter(f"VirtualService {service['metadata']['name']} has no route to stable and canary")
    return found


def kubectl(*words: str) -> str:
    """kubectl with the caller's kubeconfig; ends the command with what it said if it fails."""
    done = subprocess.run(["kubectl", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise typer.BadParameter(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _shift(name: str, namespace: str, percent: int) -> None:
    service = json.loads(kubectl("-n", namespace, "get", "virtualservice", name, "-o", "json"))
    text = json.dumps(patches(service, percent))
    kubectl("-n", namespace, "patch", "virtualservice", name, "--type=json", "-p", text)
    typer.echo(f"{name}: {percent} % of modern traffic to the canary")


def _judge(name: str, namespace: str, prometheus: str, window: str, *, force: bool) -> None:
    sides = {one: side(prometheus, namespace, one, window) for one in (name, f"{name}-canary")}
    for deployment, one in sides.items():
        typer.echo(f"{deployment}: {one.calls:.0f} calls, {one.error_ratio:.1%} failed, p95 {one.seconds:.3f} s")
    found = objections(*sides.values())
    for line in found:
        typer.echo(f"against it: {line}")
    if found and not force:
        raise typer.Exit(1)


@app.command()
def status(name: str, prometheus_url: Prometheus, namespace: Namespace = "mcp", window: Window = "5m") -> None:
    """How the two compare; exit status 1 if the canary must not get more."""
    _judge(name, namespace, prometheus_url, window, force=False)


@app.command()
def step(
    name: str,
    percent: Annotated[int, typer.Argument(min=0, max=100)],
    prometheus_url: Annotated[str, typer.Option(envvar="PROMETHEUS_URL")] = "",
    namespace: Namespace = "mcp",
    window: Window = "5m",
    force: Force = False,
) -> None:
    """Another share for the canary. The first step needs no numbers, there are none: give it --force."""
    if not force:
        _judge(name, namespace, prometheus_url, window, force=False)
    _shift(name, namespace, percent)


@app.command()
def promote(
    name: str,
    prometheus_url: Annotated[str, typer.Option(envvar="PROMETHEUS_URL")] = "",
    namespace: Namespace = "mcp",
    window: Window = "5m",
    force: Force = False,
) -> None:
    """Stable gets the canary's image, pod by pod; then all traffic, and the canary has no more pods."""
    if not force:
        _judge(name, namespace, prometheus_url, window, force=False)
    template = "{.spec.template.spec.containers[0].name}={.spec.template.spec.containers[0].image}"
    image = kubectl("-n", namespace, "get", f"deployment/{name}-canary", "-o", f"jsonpath={template}")
    kubectl("-n", namespace, "set", "image", f"deployment/{name}", image)
    kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=15m")
    _shift(name, namespace, 0)
    kubectl("-n", namespace, "scale", f"deployment/{name}-canary", "--replicas=0")


@app.command()
def abort(name: str, namespace: Namespace = "mcp") -> None:
    """All traffic back to stable; the canary's pods finish what they have begun and go."""
    _shift(name, namespace, 0)
    kubectl("-n", namespace, "scale", f"deployment/{name}-canary", "--replicas=0")


if __name__ == "__main__":
    app()
