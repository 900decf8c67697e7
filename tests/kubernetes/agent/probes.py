"""Startup, readiness and liveness probes, as a container declares them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from agent.pod_status import ContainerState
from agent.process import Process

Resource = dict[str, Any]


@dataclass
class Streak:
    """Turns results into a verdict: so many in a row change it, as the thresholds say."""

    failure_threshold: int
    success_threshold: int
    good: bool
    _in_a_row: int = 0
    _last: bool | None = None

    def add(self, passed: bool) -> bool:
        """The verdict after one more result."""
        self._in_a_row = self._in_a_row + 1 if passed == self._last else 1
        self._last = passed
        if self._in_a_row >= (self.success_threshold if passed else self.failure_threshold):
            self.good = passed
        return self.good

    @property
    def failed_for_good(self) -> bool:
        """Whether as many failures in a row as the threshold asks for came last."""
        return self._last is False and self._in_a_row >= self.failure_threshold


@dataclass
class Probing:
    """The probes of one run of a container: they change its state, and end a process that failed.

    ``changed`` is called after each change of ``state``.
    """

    container: Resource
    state: ContainerState
    process: Process
    ip: str
    grace_s: float
    changed: Callable[[], Awaitable[None]]

    async def run(self, started: asyncio.Event | None = None) -> None:
        """The startup probe until it is good; then, once ``started`` is told, readiness and liveness."""
        if "startupProbe" in self.container:
            await self._watch("startupProbe", False, self._startup)
        if started is not None:
            started.set()
        async with asyncio.TaskGroup() as both:
            if "readinessProbe" in self.container:
                both.create_task(self._watch("readinessProbe", False, self._readiness))
            if "livenessProbe" in self.container:
                both.create_task(self._watch("livenessProbe", True, self._liveness))

    async def _watch(self, kind: str, good: bool, seen: Callable[[Streak], Awaitable[bool]]) -> None:
        """Try again and again until ``seen`` answers False."""
        probe = self.container[kind]
        streak = Streak(probe.get("failureThreshold", 3), probe.get("successThreshold", 1), good)
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        while True:
            streak.add(await passes(probe, self.container, self.ip, self.process))
            if not await seen(streak):
                return
            await asyncio.sleep(probe.get("periodSeconds", 10))

    async def _startup(self, streak: Streak) -> bool:
        if streak.good:
            self.state.started, self.state.ready = True, "readinessProbe" not in self.container
            await self.changed()
        elif streak.failed_for_good:
            await self.process.stop(self.grace_s)
        return not (streak.good or streak.failed_for_good)

    async def _readiness(self, streak: Streak) -> bool:
        if self.state.ready != streak.good:
            self.state.ready = streak.good
            await self.changed()
        return True

    async def _liveness(self, streak: Streak) -> bool:
        if streak.failed_for_good:
            own = self.container["livenessProbe"].get("terminationGracePeriodSeconds", self.grace_s)
            await self.process.stop(own)
        return not streak.failed_for_good


async def passes(probe: Resource, container: Resource, ip: str, process: Process) -> bool:
    """One try. A probe's time-out is a second unless it says more."""
    timeout_s = probe.get("timeoutSeconds", 1)
    if "exec" in probe:
        return await process.run_inside(probe["exec"]["command"], timeout_s)
    if "tcpSocket" in probe:
        wanted = probe["tcpSocket"]
        return await _connects(wanted.get("host", ip), port_number(wanted["port"], container), timeout_s)
    if "httpGet" in probe:
        return await http_get(probe["httpGet"], container, ip, timeout_s)
    raise NotImplementedError(f"probe {sorted(probe)}")


async def http_get(wanted: Resource, container: Resource, ip: str, timeout_s: float) -> bool:
    """Any status from 200 to 399 is good; a redirection is not followed, a certificate not checked."""
    port = port_number(wanted["port"], container)
    address = (
        f"{wanted.get('scheme', 'HTTP').lower()}://{wanted.get('host', ip)}:{port}{wanted.get('path', '/')}"
    )
    headers = {header["name"]: header["value"] for header in wanted.get("httpHeaders", [])}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(address, headers=headers, allow_redirects=False, ssl=False) as response,
        ):
            return 200 <= response.status < 400
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def _connects(host: str, port: int, timeout_s: float) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout_s)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def port_number(port: int | str, container: Resource) -> int:
    """A port by its number or by its name in the container."""
    if isinstance(port, int):
        return port
    return next(int(p["containerPort"]) for p in container.get("ports", []) if p.get("name") == port)
