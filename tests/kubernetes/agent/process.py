"""A container as a process of this machine, with a root of its own.

Its root is this machine's, under an overlay that takes what it writes, in a mount namespace of its own: so
volumes lie where the pod says, and pods do not see one another's. User, group, read-only root, no
capabilities and no new privileges hold as in a container runtime. The network is this machine's: an address
of 127/8 per pod tells pods apart. There are no limits of memory and processor, no process namespace and no
seccomp profile.
"""

import asyncio
import os
import shlex
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

from agent.image import ROOT

_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
_ENDS_WITH_US = "--pdeathsig=KILL"
"""By the kernel, should the agent be killed; a new user would lose what was set before."""


@dataclass(frozen=True)
class Mount:
    """``source``, a file or folder of this machine, at ``target`` in the container."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Security:
    """Who the process is, and whether it may write to its root."""

    user: int = 0
    group: int = 0
    read_only_root: bool = False


@dataclass
class Process:
    """Starts with `start`; the folder ``own`` holds what it writes to its root."""

    words: list[str]
    environment: dict[str, str]
    mounts: list[Mount]
    security: Security
    folder: str
    own: Path
    log: Path
    _process: "asyncio.subprocess.Process" = field(init=False)

    async def start(self) -> None:
        for name in ("upper", "work", "root"):
            shutil.rmtree(self.own / name, ignore_errors=True)
            (self.own / name).mkdir(parents=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(_path("unshare"), "--mount", "--propagation", "private", "/bin/sh", "-ec", self._script()),
                *self.words,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """The exit code; 128 + signal where a signal ended it. What it left behind is killed."""
        code = await self._process.wait()
        self._signal_all(signal.SIGKILL)
        return code if code >= 0 else 128 - code

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to the process; SIGKILL to it and its children after ``grace_s``. Waits for its end."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), grace_s)
        except TimeoutError:
            self._signal_all(signal.SIGKILL)
            await self._process.wait()

    async def run_inside(self, words: list[str], timeout_s: float) -> bool:
        """Whether a command in the container, as its user, ends with 0 in time."""
        command = await asyncio.create_subprocess_exec(
            *(_path("nsenter"), f"--target={self._process.pid}", "--mount", "--root"),
            *(f"--wd={self.folder}", *self._as_user(), "--", *words),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            return await asyncio.wait_for(command.wait(), timeout_s) == 0
        except TimeoutError:
            command.kill()
            await command.wait()
            return False

    def _signal_all(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _as_user(self) -> list[str]:
        ids = [f"--reuid={self.security.user}", f"--regid={self.security.group}", "--clear-groups"]
        return [
            _path("setpriv"),
            *ids,
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
            _ENDS_WITH_US,
        ]

    def _script(self) -> str:
        """Mounts, and then becomes the command (its words are the script's arguments)."""
        root, mount, mkdir = self.own / "root", _path("mount"), _path("mkdir")
        layers = f"lowerdir=/,upperdir={self.own / 'upper'},workdir={self.own / 'work'}"
        lines = [shlex.join([mount, "-t", "overlay", "overlay", "-o", layers, str(root)])]
        lines += [f"{mount} --rbind /{name} {root}/{name}" for name in ("proc", "sys", "dev")]
        lines.append(f"[ ! -d {root}/root ] || {_path('chmod')} 755 {root}/root")  # Python may be below it
        fixed = []
        for one in self.mounts:
            # As this machine's links lead, whose root it is: /var/run is /run, and not this machine's own.
            inside = Path(one.target).resolve()
            target, parent = shlex.quote(f"{root}{inside}"), shlex.quote(f"{root}{inside.parent}")
            make = f"{mkdir} -p {target}" if one.source.is_dir() else f"{_path('touch')} {target}"
            lines += [f"{mkdir} -p {parent}", make]
            lines.append(f"{mount} --bind {shlex.quote(str(one.source))} {target}")
            if one.read_only:
                fixed.append(f"{mount} -o remount,bind,ro {target}")
        lines += fixed  # last: a volume may lie in one that cannot be written to
        # A volume at /tmp hides a repository below /tmp.
        lines.append(
            f"[ -e {root}{ROOT} ] || {{ {mkdir} -p {root}{ROOT}; {mount} --rbind {ROOT} {root}{ROOT}; }}"
        )
        if self.security.read_only_root:
            lines.append(f"{mount} -o remount,ro {root}")
        become = shlex.join([*self._as_user(), "--", "/bin/sh", "-c", f'cd {self.folder} && exec "$0" "$@"'])
        lines.append(f'exec {_path("chroot")} {root} {become} "$0" "$@"')
        return "\n".join(lines)


def missing_tools() -> list[str]:
    """What this machine lacks to run containers so."""
    tools = ("unshare", "nsenter", "setpriv", "mount", "chroot")
    lacks = [tool for tool in tools if shutil.which(tool, path=_SYSTEM) is None]
    return lacks + ([] if os.geteuid() == 0 else ["the rights of root, to mount"])


def _path(tool: str) -> str:
    """A container's PATH is its own business, so ours are called by their whole path."""
    found = shutil.which(tool, path=_SYSTEM)
    if found is None:
        raise FileNotFoundError(tool)
    return found
