"""The control plane with nodes: what tests run against."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control_plane import ControlPlane

Resource = dict[str, Any]
AGENT = Path(__file__).with_name("node_agent.py")
DEADLINE_S = 90.0


class Cluster(ControlPlane):
    """A control plane, and one agent that runs the pods of ``nodes`` nodes on this machine."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        super().__init__(folder)
        self.nodes = [f"node-{number}" for number in range(1, nodes + 1)]

    def __enter__(self) -> "Cluster":
        super().__enter__()
        kubeconfigs = [
            str(self.kubeconfig_for(name, user=f"system:node:{name}", groups=("system:nodes",)))
            for name in self.nodes
        ]
        self.run_beside("node-agent", [sys.executable, str(AGENT), str(self.folder), *kubeconfigs])
        self.eventually(lambda: self._nodes_ready() == len(self.nodes), "all nodes are ready")
        return self

    def _nodes_ready(self) -> int:
        return sum(
            condition(node, "Ready") and not node["spec"].get("taints") for node in self.get("nodes")["items"]
        )

    def apply(self, *resources: Resource, namespace: str) -> None:
        """Create or change resources, by the server and strictly: an unknown field is refused."""
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": resources})
        flags = ("--server-side", "--validate=strict", f"--namespace={namespace}", "--filename=-")
        self.kubectl("apply", *flags, stdin=whole)

    def pods(self, namespace: str, selector: str = "") -> list[Resource]:
        """Those that are not being deleted, the oldest first."""
        found = self.get("pods", f"--namespace={namespace}", f"--selector={selector}")["items"]
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(alive, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def ready_pods(self, namespace: str, selector: str = "") -> list[Resource]:
        return [pod for pod in self.pods(namespace, selector) if condition(pod, "Ready")]

    def container_log(self, namespace: str, pod: str, container: str) -> str:
        """What a container wrote, all its runs together; `kubectl logs` would need a kubelet."""
        return (self.folder / "logs" / f"{namespace}_{pod}_{container}.log").read_text()

    def eventually(
        self, look: Callable[[], Any], what: str | Callable[[], str], deadline_s: float = DEADLINE_S
    ) -> Any:
        """The first true answer of ``look``; fails when none came in time."""
        until_s = time.monotonic() + deadline_s
        while not (answer := look()):
            assert time.monotonic() < until_s, (
                f"not within {deadline_s:.0f} s: {what() if callable(what) else what}"
            )
            time.sleep(0.3)
        return answer


def condition(resource: Resource, name: str) -> bool:
    """Whether a condition in a resource's status is true."""
    found = resource.get("status", {}).get("conditions", [])
    return any(one["type"] == name and one["status"] == "True" for one in found)
