"""One pod's life: init containers in order, containers with their probes and restarts, and the end."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.api import Api, Refused
from agent.image import image
from agent.pod_spec import CannotStart, back_off_s, command, environment
from agent.pod_status import ContainerState, pod_status
from agent.probes import Probing, http_get
from agent.process import Mount, Process, Security
from agent.volumes import Volumes

Resource = dict[str, Any]
IN_CLUSTER = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
"""Where a pod finds the API server: here itself, as nothing answers at the addresses of services."""
RETRY_S = 2.0
"""Between tries to start a container whose ConfigMap or Secret is missing."""


class PodWorker:
    """Runs one pod until it is deleted, and writes its status back at each change.

    ``ip`` is the pod's address, ``own`` a folder of its own, ``log`` how its logs' names begin, ``hosts``
    gives its /etc/hosts, ``back_off_first_s`` the wait before its second restart (a kubelet: 10 s).
    """

    def __init__(
        self,
        api: Api,
        pod: Resource,
        ip: str,
        *,
        own: Path,
        log: Path,
        hosts: Callable[[], str],
        back_off_first_s: float,
    ) -> None:
        self.pod, self.ip, self.ready = pod, ip, False
        self._api, self._own, self._log, self._back_off_first_s = api, own, log, back_off_first_s
        meta, spec = pod["metadata"], pod["spec"]
        self._path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._volumes = Volumes(api, pod, own / "volumes", hosts)
        self._states = {
            kind: [ContainerState(c["name"], c["image"]) for c in spec.get(kind, [])]
            for kind in ("initContainers", "containers")
        }
        self._initialized = self._init_failed = False
        self._processes: dict[str, tuple[Resource, Process]] = {}
        self._ended: set[str] = set()
        self._stopping = asyncio.Event()
        self._grace_s = float(spec.get("terminationGracePeriodSeconds", 30))
        self._status: Resource = pod.get("status", {})
        self._writing = asyncio.Lock()

    def delete(self, grace_s: float) -> None:
        """Begin its end: the API server was asked to delete it."""
        self._grace_s = grace_s
        self._stopping.set()

    def exit_codes(self) -> dict[str, int | None]:
        """Container → how it ended, None for one that has not."""
        return {state.name: state.exit_code for state in self._states["containers"]}

    async def run(self) -> None:
        """Until it is deleted, and gone from the API server."""
        life = asyncio.create_task(self._live())
        following = asyncio.create_task(self._volumes.follow())
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({life, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            life.result()  # a fault of ours must not look like a pod that waits
        await stopped
        await asyncio.gather(*(self._stop(name) for name in [*self._processes]))
        for task in (life, following):
            task.cancel()
        await asyncio.gather(life, following, return_exceptions=True)
        for state in self._states["containers"]:
            if "waiting" in state.state:  # never ran, or was between two runs
                state.terminated(0)
        await self._changed()
        uid = {"preconditions": {"uid": self.pod["metadata"]["uid"]}, "gracePeriodSeconds": 0}
        await self._unless_gone(self._api.ask("DELETE", self._path, uid))

    async def _live(self) -> None:
        spec = self.pod["spec"]
        await self._changed()
        async with asyncio.TaskGroup() as sidecars:
            for container, state in zip(
                spec.get("initContainers", []), self._states["initContainers"], strict=True
            ):
                if container.get("restartPolicy") == "Always":
                    started = asyncio.Event()
                    sidecars.create_task(self._keep(container, state, "Always", started))
                    await started.wait()
                    continue
                policy = "Never" if spec["restartPolicy"] == "Never" else "OnFailure"
                await self._keep(container, state, policy)
                if state.exit_code:
                    self._init_failed = True
                    await self._changed()
                    return
            self._initialized = True
            for state in self._states["containers"]:
                state.waiting("ContainerCreating")
            pairs = zip(spec["containers"], self._states["containers"], strict=True)
            keeping = (self._keep(container, state, spec["restartPolicy"]) for container, state in pairs)
            await asyncio.gather(*keeping)
            for container in spec.get("initContainers", []):  # sidecars end after the others
                await self._stop(container["name"])

    async def _keep(
        self, container: Resource, state: ContainerState, policy: str, started: asyncio.Event | None = None
    ) -> None:
        """Run a container, again and again as its restart policy says."""
        while not self._stopping.is_set():
            process = await self._started(container, state)
            state.running()
            state.started = "startupProbe" not in container
            state.ready = state.started and "readinessProbe" not in container
            await self._changed()
            probing = asyncio.create_task(self._probing(container, state, process).run(started))
            try:
                state.terminated(await process.wait())
            except asyncio.CancelledError:  # it started while the pod was being stopped
                await process.stop(0)
                raise
            finally:
                del self._processes[container["name"]]
                probing.cancel()
                with suppress(asyncio.CancelledError):
                    await probing
            done = policy == "Never" or (policy == "OnFailure" and state.exit_code == 0)
            if done or container["name"] in self._ended or self._stopping.is_set():
                break
            wait_s = back_off_s(state.restarts + 1, self._back_off_first_s)
            if wait_s:
                state.waiting("CrashLoopBackOff", f"back-off {wait_s:g}s restarting failed container")
                await self._changed()
                await asyncio.sleep(wait_s)
            state.last_state = state.last_state if "waiting" in state.state else state.state
            state.restarts += 1
        await self._changed()

    async def _started(self, container: Resource, state: ContainerState) -> Process:
        while True:
            try:
                process = await self._process(container)
            except CannotStart as cause:
                state.waiting("CreateContainerConfigError", str(cause))
                await self._changed()
                await asyncio.sleep(RETRY_S)
                continue
            await process.start()
            self._processes[container["name"]] = (container, process)
            return process

    async def _process(self, container: Resource) -> Process:
        """Raises CannotStart."""
        own_image, name = image(container["image"]), container["name"]
        pod = {**self.pod, "status": {**self.pod.get("status", {}), "podIP": self.ip, "hostIP": "127.0.0.1"}}
        referred = await self._volumes.referred()
        base = {
            **own_image.environment,
            **dict(zip(IN_CLUSTER, urlsplit(self._api.server).netloc.split(":"), strict=True)),
            "HOSTNAME": pod["metadata"]["name"],
        }
        variables = environment(container, pod, referred, base)
        # All pods share this machine's network: "all my addresses" must be those of the pod.
        variables = {key: self.ip if value == "0.0.0.0" else value for key, value in variables.items()}  # noqa: S104
        words = command(container, variables, own_image.entrypoint)
        security = {**self.pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
        user = security.get("runAsUser", own_image.user)
        if security.get("runAsNonRoot") and user == 0:
            raise CannotStart("container has runAsNonRoot and image will run as root")
        return Process(
            words,
            variables,
            [
                *(Mount(file, path, True) for path, file in own_image.files.items()),
                *await self._volumes.mounts(container, referred, security.get("fsGroup", 0)),
            ],
            Security(user, security.get("runAsGroup", user), security.get("readOnlyRootFilesystem", False)),
            container.get("workingDir", own_image.folder),
            self._own / name,
            self._log.with_name(f"{self._log.name}_{name}.log"),
        )

    def _probing(self, container: Resource, state: ContainerState, process: Process) -> Probing:
        return Probing(container, state, process, self.ip, self._grace_s, self._changed)

    async def _stop(self, name: str) -> None:
        """``preStop``, SIGTERM, and SIGKILL when the grace period, which counts both, is over."""
        self._ended.add(name)
        if name not in self._processes:
            return
        container, process = self._processes[name]
        ends_at = asyncio.get_running_loop().time() + self._grace_s
        hook = container.get("lifecycle", {}).get("preStop", {})
        if "exec" in hook:
            await process.run_inside(hook["exec"]["command"], self._grace_s)
        elif "sleep" in hook:
            await asyncio.sleep(min(hook["sleep"]["seconds"], self._grace_s))
        elif "httpGet" in hook:
            await http_get(hook["httpGet"], container, self.ip, self._grace_s)
        await process.stop(
            max(2.0, ends_at - asyncio.get_running_loop().time())
        )  # two seconds, as the kubelet
        while name in self._processes:  # until `_keep` has seen the end
            await asyncio.sleep(0.01)

    async def _changed(self) -> None:
        async with self._writing:
            self._status = pod_status(
                self._status,
                self.ip,
                self._states["initContainers"],
                self._states["containers"],
                initialized=self._initialized,
                init_failed=self._init_failed,
            )
            self.ready = all(state.ready for state in self._states["containers"])
            await self._unless_gone(self._api.ask("PATCH", f"{self._path}/status", {"status": self._status}))

    async def _unless_gone(self, request: Awaitable[Resource]) -> None:
        try:
            await request
        except Refused as cause:
            if cause.status not in (404, 409):  # deleted by force, or another pod of the same name
                raise
