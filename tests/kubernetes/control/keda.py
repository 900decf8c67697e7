"""KEDA's operator and metrics adapter beside the control plane, with the rights that KEDA's manifests give.

They run on this machine and not in pods; so the API server is told to find the adapter here, by a
service with an external name.
"""

import base64
import os
import shutil
from typing import Any

from control.build import CRDS, KEDA_ROLES
from control.plane import ControlPlane, condition
from streams.local import child_process

Resource = dict[str, Any]
NAMESPACE = "keda"
ADAPTER = "keda-metrics-apiserver"
HOSTS = f"DNS:localhost,DNS:keda-operator.{NAMESPACE}.svc,DNS:{ADAPTER}.{NAMESPACE}.svc,IP:127.0.0.1"
API = "v1beta1.external.metrics.k8s.io"


def start_keda(cluster: ControlPlane) -> None:
    """Returns when the API server answers for external metrics; KEDA ends with the control plane."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    for folder in (CRDS / "keda", KEDA_ROLES):
        cluster.kubectl("apply", "--server-side", f"--filename={folder}")
    grpc, probes, metrics, secure, adapter_metrics = child_process.free_ports(5)
    own = cluster.kubeconfig_for(
        "keda-operator",
        user=f"system:serviceaccount:{NAMESPACE}:keda-operator",
        groups=("system:serviceaccounts", "system:authenticated"),
    )
    pair = cluster.authority.issue("keda", user="keda", hosts=HOSTS)
    certificates = cluster.folder / "keda-certificates"
    certificates.mkdir(exist_ok=True)
    for source, name in ((pair.certificate, "tls.crt"), (pair.key, "tls.key")):
        shutil.copyfile(source, certificates / name)
    shutil.copyfile(cluster.authority.certificate, certificates / "ca.crt")
    environment = {**os.environ, "KUBECONFIG": str(own), "POD_NAMESPACE": NAMESPACE, "WATCH_NAMESPACE": ""}
    cluster.start(
        "keda-operator",
        f"--metrics-service-bind-address=127.0.0.1:{grpc}",
        f"--health-probe-bind-address=127.0.0.1:{probes}",
        f"--metrics-bind-address=127.0.0.1:{metrics}",
        f"--cert-dir={certificates}",
        env=environment,
    )
    cluster.start(
        "keda-adapter",
        f"--metrics-service-address=localhost:{grpc}",
        "--bind-address=127.0.0.1",
        f"--secure-port={secure}",
        f"--port={adapter_metrics}",
        f"--cert-dir={certificates}",
        f"--client-ca-file={certificates / 'ca.crt'}",
        f"--tls-cert-file={certificates / 'tls.crt'}",
        f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        env=environment,
    )
    answer_for_external_metrics(cluster, secure)


def answer_for_external_metrics(cluster: ControlPlane, port: int) -> None:
    """Tell the API server that a port of this machine, with TLS, does; returns when it has been asked."""
    services = _api_service(port, cluster.authority.certificate.read_bytes())
    cluster.apply(*services, namespace=NAMESPACE)
    cluster.eventually(
        lambda: condition(cluster.get("apiservice", API), "Available"), "external metrics are answered for"
    )


def _api_service(port: int, authority: bytes) -> list[Resource]:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": ADAPTER},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    spec = {
        "service": {"name": ADAPTER, "namespace": NAMESPACE, "port": port},
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "caBundle": base64.b64encode(authority).decode(),
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API},
        "spec": spec,
    }
    return [service, api]
