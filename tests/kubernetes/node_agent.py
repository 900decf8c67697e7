"""Nodes that run pods as processes of this machine: what a kubelet and its runtime do.

    python tests/kubernetes/node_agent.py FOLDER KUBECONFIG…

One node for each kubeconfig, named as its file is; its user is ``system:node:NAME``. Logs of containers are
in ``FOLDER/logs``, and exit codes of pods that are gone in ``FOLDER/ended.jsonl``. SIGTERM ends all pods'
processes, with no word to the API server: a machine switched off.
"""

import asyncio
import itertools
import json
import logging
import os
import secrets
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.api import Api, Refused
from agent.hosts import hosts_file
from agent.pod_status import now
from agent.pod_worker import PodWorker

Resource = dict[str, Any]
log = logging.getLogger("node-agent")

CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "64", "ephemeral-storage": "64Gi"}
"""What the scheduler counts with; nothing holds pods to it."""
HEARTBEAT_S = 5.0
BACK_OFF_FIRST_S = 1.0
"""Ten seconds in a kubelet; here, tests wait for it."""


class Machine:
    """What all nodes share: addresses for pods, the services, and who is ready."""

    def __init__(self, folder: Path) -> None:
        self.pods, self.logs, self.ended = folder / "pods", folder / "logs", folder / "ended.jsonl"
        shutil.rmtree(self.pods, ignore_errors=True)
        for path in (self.pods, self.logs):
            path.mkdir(parents=True, exist_ok=True)
        # A network of its own for each agent, so that two on one machine do not meet.
        network = f"127.{secrets.choice(range(20, 250))}"
        self._addresses = (f"{network}.{a}.{b}" for a in itertools.count(1) for b in range(1, 255))
        self.workers: dict[str, PodWorker] = {}
        self.services: dict[str, Resource] = {}

    def worker(self, api: Api, pod: Resource) -> PodWorker:
        meta, ip = pod["metadata"], next(self._addresses)
        return PodWorker(
            api,
            pod,
            ip,
            own=self.pods / meta["uid"],
            log=self.logs / f"{meta['namespace']}_{meta['name']}",
            hosts=lambda: hosts_file(pod, ip, self.services.values(), self._ready()),
            back_off_first_s=BACK_OFF_FIRST_S,
        )

    def _ready(self) -> list[tuple[Resource, str]]:
        return [(worker.pod, worker.ip) for worker in self.workers.values() if worker.ready]

    async def follow_services(self, api: Api) -> None:
        async for change, found in api.watch("/api/v1/services"):
            for service in found if change == "LISTED" else [found]:
                self.services[service["metadata"]["uid"]] = service
            if change == "DELETED":
                self.services.pop(found["metadata"]["uid"])


class Node:
    """One node: registers itself, says that it is alive, and runs the pods that the scheduler gives it."""

    def __init__(self, name: str, api: Api, machine: Machine) -> None:
        self.name, self._api, self._machine = name, api, machine

    async def run(self) -> None:
        await self._register()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay_alive())
            tasks.create_task(self._follow_pods(tasks))

    async def _register(self) -> None:
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "topology.kubernetes.io/zone": f"zone-of-{self.name}",
        }
        node = {"metadata": {"name": self.name, "labels": labels}}
        await self._create_or_keep("/api/v1/nodes", node)

    async def _stay_alive(self) -> None:
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        await self._create_or_keep(leases, {"metadata": {"name": self.name}})
        started_at = now()
        while True:
            ready = {
                "type": "Ready",
                "status": "True",
                "reason": "AgentReady",
                "message": "runs local processes",
            }
            condition = {**ready, "lastHeartbeatTime": now(), "lastTransitionTime": started_at}
            status = {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [condition]}
            await self._api.ask("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status})
            spec = {
                "holderIdentity": self.name,
                "leaseDurationSeconds": 40,
                "renewTime": now().replace("Z", ".000000Z"),
            }
            await self._api.ask("PATCH", f"{leases}/{self.name}", {"spec": spec})
            await asyncio.sleep(HEARTBEAT_S)

    async def _create_or_keep(self, path: str, resource: Resource) -> None:
        try:
            await self._api.ask("POST", path, resource)
        except Refused as cause:
            if cause.status != 409:  # it is there already
                raise

    async def _follow_pods(self, tasks: asyncio.TaskGroup) -> None:
        async for change, found in self._api.watch(
            "/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}"
        ):
            for pod in found if change == "LISTED" else [found]:
                self._seen(change, pod, tasks)

    def _seen(self, change: str, pod: Resource, tasks: asyncio.TaskGroup) -> None:
        uid, workers = pod["metadata"]["uid"], self._machine.workers
        if uid not in workers:
            if change == "DELETED" or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                return
            workers[uid] = self._machine.worker(self._api, pod)
            tasks.create_task(self._run_pod(uid))
        if change == "DELETED":  # by force
            workers[uid].delete(0)
        elif "deletionTimestamp" in pod["metadata"]:
            workers[uid].delete(pod["metadata"]["deletionGracePeriodSeconds"])

    async def _run_pod(self, uid: str) -> None:
        worker = self._machine.workers[uid]
        name = f"{worker.pod['metadata']['namespace']}/{worker.pod['metadata']['name']}"
        log.info("%s: pod %s starts, at %s", self.name, name, worker.ip)
        try:
            await worker.run()
        except Exception:
            log.exception("%s: pod %s: the agent failed", self.name, name)
            raise
        log.info("%s: pod %s is gone: %s", self.name, name, worker.exit_codes())
        with self._machine.ended.open("a") as ended:
            ended.write(json.dumps({"pod": name, "exit_codes": worker.exit_codes()}) + "\n")
        del self._machine.workers[uid]
        shutil.rmtree(self._machine.pods / uid, ignore_errors=True)


async def run(folder: Path, kubeconfigs: list[Path]) -> None:
    """All nodes, until SIGTERM or SIGINT."""
    machine, stop = Machine(folder), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(Api(path)) for path in kubeconfigs]
        nodes = [Node(path.name, api, machine) for path, api in zip(kubeconfigs, apis, strict=True)]
        running = [asyncio.create_task(node.run()) for node in nodes]
        running.append(asyncio.create_task(machine.follow_services(apis[0])))
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for task in done - {stopped}:
            task.result()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(run(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]]))
