"""A real Prometheus as a pod, under the name that the manifests expect it by.

Debian's has no service discovery by Kubernetes' API; so it asks here which pods there are, as the Prometheus
operator's knows by the PodMonitor.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml
from cluster import Cluster
from made_up_pods import MY_IP

Resource = dict[str, Any]
NAMESPACE = "monitoring"
NAME = "prometheus-operated"
PORT = 9090
MIEN = "app.kubernetes.io/name=mien"


@contextmanager
def prometheus(cluster: Cluster) -> Iterator[None]:
    """Of all pods of all Miens; it is there until the block ends."""
    with _targets(cluster) as url:
        cluster.apply(*_objects(url), namespace="")
        cluster.kubectl(
            "rollout", "status", f"deployment/{NAME}", f"--namespace={NAMESPACE}", "--timeout=90s"
        )
        yield
        cluster.kubectl("delete", "namespace", NAMESPACE)


@contextmanager
def _targets(cluster: Cluster) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pods = cluster.get("pods", "--all-namespaces", f"--selector={MIEN}")["items"]
            answer = json.dumps([target for pod in pods for target in targets(pod)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: it is asked every two seconds."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def targets(pod: Resource) -> Iterator[Resource]:
    """Where a pod's metrics are, with the labels that k8s/components/monitoring gives them."""
    meta, ip = pod["metadata"], pod["status"].get("podIP")
    labels = {
        "namespace": meta["namespace"],
        "pod": meta["name"],
        "component": meta["labels"]["app.kubernetes.io/component"],
    }
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            if ip and port.get("name") == "metrics":
                yield {"targets": [f"{ip}:{port['containerPort']}"], "labels": labels}


def _objects(url: str) -> list[Resource]:
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
        "scrape_configs": [
            {"job_name": "mien", "http_sd_configs": [{"url": url, "refresh_interval": "2s"}]},
        ],
    }
    container = {
        "name": "prometheus",
        "image": "prometheus",
        "env": [MY_IP],
        "command": [
            "prometheus",
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/data",
            f"--web.listen-address=$({MY_IP['name']}):{PORT}",
        ],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus"},
            {"name": "data", "mountPath": "/data"},
        ],
    }
    pod = {
        "containers": [container],
        "securityContext": {"runAsUser": 65534},
        "volumes": [{"name": "config", "configMap": {"name": NAME}}, {"name": "data", "emptyDir": {}}],
    }
    labels = {"app": NAME}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    here = {"name": NAME, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": here,
            "data": {"prometheus.yml": yaml.safe_dump(config)},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": here,
            "spec": {"selector": labels, "ports": [{"port": PORT}]},
        },
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": here, "spec": deployment},
    ]
