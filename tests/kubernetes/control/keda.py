"""KEDA's operator and metrics adapter as pods, by KEDA's own manifests.

What these leave to a cluster's network is said here instead: an address of its own for each pod, since all
share this machine's ports, and the way from the API server to the adapter, since nothing answers at the
addresses of services.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from control.build import KEDA_MANIFESTS
from control.plane import ControlPlane, condition, kustomize
from streams.local import child_process

Resource = dict[str, Any]
NAMESPACE = "keda"
ADAPTER = "keda-metrics-apiserver"
API = "v1beta1.external.metrics.k8s.io"
OPERATOR_PORTS = {"metrics": 8080, "health-probe": 8081, "metrics-service": 9666}
CONTAINER = "/spec/template/spec/containers/0"
_POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def start_keda(cluster: ControlPlane, folder: Path) -> None:
    """Returns when the API server answers for external metrics. ``folder`` is for the rendered manifests."""
    cluster.apply(*keda_objects(folder), namespace="")
    for name in ("keda-operator", ADAPTER):
        cluster.kubectl(
            "rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}", "--timeout=180s"
        )
    cluster.eventually(
        lambda: condition(cluster.get("apiservice", API), "Available"), "KEDA answers for external metrics"
    )


def keda_objects(folder: Path) -> list[Resource]:
    """All of KEDA but its admission webhooks, which check what is written by hand."""
    secure, metrics = child_process.free_ports(2)
    operator = [f"--{name}-bind-address=$(POD_IP):{port}" for name, port in OPERATOR_PORTS.items()]
    probes = [
        {"op": "replace", "path": f"{CONTAINER}/{kind}Probe/httpGet/port", "value": secure}
        for kind in ("liveness", "readiness")
    ]
    patches = [
        _patch("Deployment", "keda-operator", [*_added("env", [_POD_IP]), *_added("args", operator)]),
        _patch(
            "Deployment",
            ADAPTER,
            [*_added("args", [f"--secure-port={secure}", f"--port={metrics}"]), *probes],
        ),
        _patch(
            "Service",
            ADAPTER,
            [
                {
                    "op": "replace",
                    "path": "/spec",
                    "value": {
                        "type": "ExternalName",
                        "externalName": "localhost",
                        "ports": [{"port": secure}],
                    },
                }
            ],
        ),
        _patch("APIService", API, [{"op": "add", "path": "/spec/service/port", "value": secure}]),
    ]
    manifests = os.path.relpath(KEDA_MANIFESTS / "minimal", folder.resolve())
    folder.joinpath("kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [manifests], "patches": patches})
    )
    return kustomize(folder)


def _added(field: str, values: list[Any]) -> list[Resource]:
    return [{"op": "add", "path": f"{CONTAINER}/{field}/-", "value": value} for value in values]


def _patch(kind: str, name: str, operations: list[Resource]) -> Resource:
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(operations)}
