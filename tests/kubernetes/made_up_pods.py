"""Pods and deployments for tests, as the restricted level of pod security wants them."""

from pathlib import Path
from typing import Any

Resource = dict[str, Any]
PROGRAM = str(Path(__file__).with_name("pod_program.py"))
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
AS_NOBODY = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
MY_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def container(*command: str, name: str = "main", **more: Any) -> Resource:
    return {"name": name, "image": "test", "command": [*command], "securityContext": SECURITY, **more}


def shell(script: str, **more: Any) -> Resource:
    return container("sh", "-ec", script, **more)


def server(env: dict[str, str] | None = None, **more: Any) -> Resource:
    """A container that runs pod_program.py, with all three probes."""

    def probe(path: str, failures: int) -> Resource:
        get = {"path": path, "port": "http"}
        return {"httpGet": get, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": failures}

    return container(
        *("python", PROGRAM),
        env=[MY_IP, *({"name": name, "value": value} for name, value in (env or {}).items())],
        ports=[{"name": "http", "containerPort": 8080}],
        startupProbe=probe("/healthz", 60),
        readinessProbe=probe("/readyz", 1),
        livenessProbe=probe("/healthz", 2),
        **more,
    )


def pod_spec(*containers: Resource, **more: Any) -> Resource:
    return {
        "containers": [*containers],
        "securityContext": AS_NOBODY,
        "automountServiceAccountToken": False,
        **more,
    }


def pod(name: str, *containers: Resource, **more: Any) -> Resource:
    """A pod that runs once."""
    spec = {"restartPolicy": "Never", **pod_spec(*containers, **more)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


def deployment(name: str, *containers: Resource, replicas: int, **more: Any) -> Resource:
    """One that never has fewer ready pods than replicas while it is changed."""
    labels = {"app": name}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": pod_spec(*containers, topologySpreadConstraints=[spread], **more),
    }
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": template,
        "strategy": strategy,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
