"""Cluster addresses and names of Services: nftables for the addresses, /etc/hosts for the names.

Stands in for kube-proxy and the cluster's DNS, for those who are not behind a sidecar: the API server that calls a
webhook, and agents that look for istiod. A sidecar answers for the cluster addresses by itself.
"""

import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.harness.kubelet import ApiClient

_POLL_SECONDS = 0.5
_RULES = """
table ip services
delete table ip services
table ip services {{
  chain destinations {{
{rules}
  }}
  chain from_pods {{ type nat hook prerouting priority dstnat; jump destinations; }}
  chain from_node {{ type nat hook output priority -100; jump destinations; }}
  chain back {{ type nat hook postrouting priority srcnat; ip saddr 10.244.0.0/16 ct status dnat masquerade; }}
}}
"""


class ServiceProxy:
    """Follows Services and EndpointSlices in a thread."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._fixed = Path("/etc/hosts").read_text()
        self._written: tuple[str, str] = ("", "")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="service proxy")
        self.trouble: list[str] = []

    def start(self) -> "ServiceProxy":
        """Begins to follow."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends; the namespaces take the rules with them."""
        self._ending.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ending.wait(_POLL_SECONDS):
            try:
                self.once()
            except (OSError, LookupError, httpx.HTTPError, subprocess.SubprocessError) as error:
                self.trouble.append(repr(error))

    def once(self) -> None:
        """Reads what there is and writes what changed."""
        services = self._api.get("/api/v1/services")["items"]
        slices = self._api.get("/apis/discovery.k8s.io/v1/endpointslices")["items"]
        texts = hosts(services), rules(services, slices)
        if texts != self._written:
            Path("/etc/hosts").write_text(self._fixed + texts[0])
            text = _RULES.format(rules=texts[1])
            subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, capture_output=True)
            self._written = texts


def hosts(services: Iterable[dict[str, Any]]) -> str:
    """Lines of a hosts file, one per Service with a cluster address."""
    lines = []
    for one in services:
        name, address = f"{one['metadata']['name']}.{one['metadata']['namespace']}", one["spec"].get("clusterIP")
        if address and address != "None":
            lines.append(f"{address} {name}.svc.cluster.local {name}.svc {name}")
    return "\n".join(sorted(lines)) + "\n"


def rules(services: Iterable[dict[str, Any]], slices: Iterable[dict[str, Any]]) -> str:
    """One rule per port of a Service that has ready endpoints: destinations in turn."""
    slices = list(slices)
    lines = []
    for one in services:
        address = one["spec"].get("clusterIP")
        for port in one["spec"].get("ports", ()) if address and address != "None" else ():
            targets = sorted(set(_targets(one, port.get("name"), slices)))
            if targets:
                choice = ", ".join(f"{n} : {ip} . {number}" for n, (ip, number) in enumerate(targets))
                turn = f"numgen inc mod {len(targets)} map {{ {choice} }}"
                lines.append(f"    ip daddr {address} tcp dport {port['port']} dnat ip addr . port to {turn}")
    return "\n".join(sorted(lines))


def _targets(service: dict[str, Any], port_name: str | None, slices: list[dict[str, Any]]) -> Iterable[tuple[str, int]]:
    for one in slices:
        meta = one["metadata"]
        if meta["namespace"] != service["metadata"]["namespace"]:
            continue
        if meta.get("labels", {}).get("kubernetes.io/service-name") != service["metadata"]["name"]:
            continue
        numbers = [p["port"] for p in one.get("ports") or () if (p.get("name") or None) == (port_name or None)]
        for endpoint in one.get("endpoints") or ():
            if endpoint["conditions"].get("ready"):
                yield from ((ip, number) for ip in endpoint["addresses"] for number in numbers)
