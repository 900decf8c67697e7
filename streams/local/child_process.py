"""For processes that we start ourselves: ports for them, and no survivors."""

import asyncio
import ctypes
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

PORTS = range(20_000, 32_000)
"""Outside Linux's range for outgoing connections (32768 and up).

Inside that range a client that keeps calling a dead broker can be given the broker's own port as its source,
connect to itself, and so keep the broker from coming back.
"""
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports of `PORTS` that nobody listens on, nor was given before: who got one may be slow to listen."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(PORTS)
        if port not in _given and can_listen(port):
            _given.add(port)
            ports.append(port)
    return ports


def give_back(port: int) -> None:
    """The port may be given again: who had it has ended."""
    _given.discard(port)


def can_listen(port: int) -> bool:
    """Whether a loopback port is free now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def die_with_parent() -> Callable[[], None] | None:
    """A ``preexec_fn`` for Popen: the child is killed when we end, even by SIGKILL (Linux; None elsewhere).

    The kernel watches the *thread* that started the child, so start it from one that lives long enough.
    Source: man 2 prctl, PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded before the fork
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Starts a child that reads nothing, and ends with us at the latest; `options` are Popen's.

    Ctrl-C reaches us alone, not the child: whoever starts it ends it, in order.
    """
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent(), **options
    )


async def start_heard(command: Sequence[str], **options: Any) -> asyncio.subprocess.Process:
    """As `start`, from an event loop, which reads what the child writes to stderr and waits for its end."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent(),
        **options,
    )
