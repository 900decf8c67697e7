"""What is written back about a pod: phase, conditions and the state of each container. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Resource = dict[str, Any]


@dataclass
class ContainerState:
    """One container, as far as its process got."""

    name: str
    image: str
    state: Resource = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: Resource = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False

    @property
    def exit_code(self) -> int | None:
        """None until it has ended for good."""
        terminated = self.state.get("terminated")
        return None if terminated is None else int(terminated["exitCode"])

    def running(self) -> None:
        self.state = {"running": {"startedAt": now()}}

    def waiting(self, reason: str, message: str = "") -> None:
        if "terminated" in self.state:
            self.last_state = self.state
        self.state = {"waiting": {"reason": reason, "message": message}}

    def terminated(self, exit_code: int) -> None:
        """As a shell, 128 + signal where a signal ended it."""
        started_at = self.state.get("running", {}).get("startedAt", now())
        reason = "Completed" if exit_code == 0 else "Error"
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": started_at, "finishedAt": now()}
        self.state = {"terminated": ended}
        self.started = self.ready = False

    def as_status(self) -> Resource:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last_state,
        }


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase(
    init: list[ContainerState], containers: list[ContainerState], *, initialized: bool, init_failed: bool
) -> str:
    """Pending until all containers have started once; then Running until all and the sidecars have ended."""
    codes = [container.exit_code for container in containers]
    if init_failed:
        return "Failed"
    if not initialized or any("waiting" in one.state and not one.restarts for one in containers):
        return "Pending"
    if None in codes or any("running" in one.state for one in init):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def pod_status(
    before: Resource,
    ip: str,
    init: list[ContainerState],
    containers: list[ContainerState],
    *,
    initialized: bool,
    init_failed: bool = False,
) -> Resource:
    """The whole status; ``before`` is the one last written, whose conditions keep their times."""
    all_ready = initialized and all(container.ready for container in containers)
    holds = {"Initialized": initialized, "ContainersReady": all_ready, "Ready": all_ready}
    times = {c["type"]: (c["status"], c["lastTransitionTime"]) for c in before.get("conditions", [])}
    conditions = []
    for name, is_so in holds.items():
        status = str(is_so)
        since = times[name][1] if name in times and times[name][0] == status else now()
        conditions.append({"type": name, "status": status, "lastTransitionTime": since})
    return {
        "phase": phase(init, containers, initialized=initialized, init_failed=init_failed),
        "hostIP": "127.0.0.1",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": before.get("startTime", now()),
        "conditions": conditions,
        "initContainerStatuses": [container.as_status() for container in init],
        "containerStatuses": [container.as_status() for container in containers],
    }
