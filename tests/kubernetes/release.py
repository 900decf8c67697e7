"""Mien as its own manifests describe it, in a namespace of the tests' cluster, by real Kafka and Redis."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cluster import Cluster
from control.build import ROOT
from control.plane import condition, kustomize
from harness import Chain

Resource = dict[str, Any]
STAGES = ("landmarks", "classify", "state", "alerts")
MIEN = "app.kubernetes.io/name=mien"
HERE = """
# What a machine of two cores that many share cannot do in time.
- target: {kind: Deployment}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/startupProbe/failureThreshold, value: 90}
# Frames come from the test, which knows what it sent.
- target: {kind: Deployment|StatefulSet, name: cameras|probe}
  patch: |
    - {op: replace, path: /spec/replicas, value: 0}
"""


@dataclass(frozen=True)
class Release:
    """One Mien: ``chain`` sees its topics and its Redis from outside."""

    cluster: Cluster
    namespace: str
    chain: Chain

    def render(self, folder: Path, *components: str) -> list[Resource]:
        """The objects of an overlay with these addresses, this prefix and these parts of k8s/components."""
        k8s = os.path.relpath(ROOT / "k8s", folder.resolve())
        literals = {
            "MIEN_KAFKA_BOOTSTRAP_SERVERS": self.chain.bootstrap,
            "MIEN_REDIS_URL": self.chain.redis_url,
            "MIEN_TOPIC_PREFIX": self.chain.prefix,
            "MIEN_TOPIC_PARTITIONS": self.chain.partitions,
            "MIEN_FRAMES_RETENTION_MS": 600_000,  # here a backlog may be minutes old
            "OMP_NUM_THREADS": 1,
        }
        settings = [f"{name}={value}" for name, value in literals.items()]
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": self.namespace,
            "resources": [f"{k8s}/base"],
            "components": [f"{k8s}/components/{name}" for name in ("network-policies", *components)],
            "configMapGenerator": [{"name": "mien-settings", "behavior": "merge", "literals": settings}],
            "patches": yaml.safe_load(HERE),
            "transformers": [f"{k8s}/names"],
        }
        folder.joinpath("kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return kustomize(folder)

    def apply(self, *objects: Resource) -> None:
        self.cluster.apply(*objects, namespace=self.namespace)

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, f"--namespace={self.namespace}")

    def rolled_out(self, *stages: str) -> None:
        """Waits until each has all its pods, of its last template, ready."""
        for stage in stages:
            self.kubectl("rollout", "status", f"deployment/{stage}", "--timeout=240s")

    def scale(self, stage: str, workers: int) -> None:
        """Returns when so many are ready and no other is left."""
        self.kubectl("scale", f"deployment/{stage}", f"--replicas={workers}")
        self.cluster.eventually(
            lambda: len(self.ready(stage)) == workers == len(self.pods(stage)), f"{workers} of {stage}"
        )

    def pods(self, stage: str) -> list[Resource]:
        return self.cluster.pods(self.namespace, f"app.kubernetes.io/component={stage}")

    def ready(self, stage: str) -> list[Resource]:
        return [pod for pod in self.pods(stage) if condition(pod, "Ready")]

    def evict(self, pod: Resource) -> None:
        """As a drain does. Raises KubectlFailed where a disruption budget forbids it."""
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/eviction"
        self.cluster.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(body))

    def processes(self, pod: Resource) -> Iterator[int]:
        """Ids of the pod's processes on this machine."""
        wanted = f"HOSTNAME={pod['metadata']['name']}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = path.read_bytes().split(b"\0")
            except OSError:
                continue  # it has just ended
            if wanted in variables:
                yield int(path.parent.name)


def names(pods: list[Resource]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


def restarts(pod: Resource) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
