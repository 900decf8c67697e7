"""The control plane with nodes: what tests run against. As a program it runs until it is interrupted:

python tests/kubernetes/cluster.py FOLDER [NODES]
"""

import json
import signal
import sys
from pathlib import Path

from control.build import build_all
from control.plane import ControlPlane, Resource, condition

AGENT = Path(__file__).with_name("node_agent.py")


class Cluster(ControlPlane):
    """A control plane, and one agent that runs the pods of ``nodes`` nodes on this machine."""

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        super().__init__(folder)
        self.nodes = [f"node-{number}" for number in range(1, nodes + 1)]

    def __enter__(self) -> "Cluster":
        super().__enter__()
        try:
            if self.nodes:
                self._start_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_nodes(self) -> None:
        kubeconfigs = [
            str(self.kubeconfig_for(name, user=f"system:node:{name}", groups=("system:nodes",)))
            for name in self.nodes
        ]
        self.run_beside("node-agent", [sys.executable, str(AGENT), str(self.folder), *kubeconfigs])
        self.eventually(lambda: self._nodes_ready() == len(self.nodes), "all nodes are ready")

    def _nodes_ready(self) -> int:
        return sum(
            condition(node, "Ready") and not node["spec"].get("taints") for node in self.get("nodes")["items"]
        )

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

    def exit_codes(self, namespace: str) -> dict[str, dict[str, int]]:
        """Pod → container → exit code, of the namespace's pods that are gone."""
        path = self.folder / "ended.jsonl"
        ended = map(json.loads, path.read_text().splitlines() if path.exists() else [])
        return {
            one["pod"].removeprefix(f"{namespace}/"): one["exit_codes"]
            for one in ended
            if one["pod"].startswith(f"{namespace}/")
        }


def main(folder: Path, nodes: int) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    with Cluster(folder, nodes) as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        signal.sigwait(stop)


if __name__ == "__main__":
    build_all(keda=False)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
