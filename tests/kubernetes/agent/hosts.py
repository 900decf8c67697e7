"""What stands for the cluster's DNS: /etc/hosts of each container. Pure."""

from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]


def hosts_file(
    own: Resource, own_ip: str, services: Iterable[Resource], pods: Iterable[tuple[Resource, str]]
) -> str:
    """The names that a pod of ``own``'s namespace can call, one line each.

    ``pods`` are those that are ready, with their addresses. A service is the first of its pods; one with an
    external name is that address, or this machine.
    """
    ready = list(pods)
    lines = {"127.0.0.1 localhost": None, f"{own_ip} {own['metadata']['name']}": None}
    for alias in own["spec"].get("hostAliases", []):
        lines[f"{alias['ip']} {' '.join(alias['hostnames'])}"] = None
    for service in services:
        spec, meta = service["spec"], service["metadata"]
        behind = [pair for pair in ready if selects(spec.get("selector"), meta["namespace"], pair[0])]
        if spec.get("type") == "ExternalName":
            address = "127.0.0.1" if spec["externalName"] == "localhost" else spec["externalName"]
        elif behind:
            address = behind[0][1]
        else:
            continue
        lines[f"{address} {' '.join(names(meta, own['metadata']['namespace']))}"] = None
        for pod, ip in behind:
            if pod["spec"].get("subdomain") == meta["name"]:
                named = [
                    f"{pod['spec']['hostname']}.{name}" for name in names(meta, own["metadata"]["namespace"])
                ]
                lines[f"{ip} {' '.join(named)}"] = None
    return "\n".join(lines) + "\n"


def selects(selector: dict[str, str] | None, namespace: str, pod: Resource) -> bool:
    labels = pod["metadata"].get("labels", {})
    return bool(selector) and pod["metadata"]["namespace"] == namespace and selector.items() <= labels.items()


def names(service: Resource, namespace: str) -> list[str]:
    """All that a service is called, the short name only in its own namespace."""
    long = f"{service['name']}.{service['namespace']}"
    own = [service["name"]] if service["namespace"] == namespace else []
    return [*own, long, f"{long}.svc", f"{long}.svc.cluster.local"]
