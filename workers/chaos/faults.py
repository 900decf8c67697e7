"""Which faults there are, and which come in which round: a pure function of the seed."""

import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

from streams.errors import SettingsInvalid

Place = Literal["landmarks", "classify", "state", "workers", "camera", "kafka", "redis"]


class Kind(NamedTuple):
    """One way to break something."""

    name: str
    place: Place
    """What it breaks: two faults of one round never break the same."""
    hold_s: tuple[float, float]
    """It lasts between so many seconds."""
    what: str
    zombie: bool = False
    """It lasts so much longer than the session time-out."""


KINDS = (
    Kind("kill-landmarks", "landmarks", (1, 4), "SIGKILL of one landmarks worker, started again"),
    Kind("kill-classify", "classify", (1, 4), "SIGKILL of one classify worker, started again"),
    Kind("kill-state", "state", (1, 4), "SIGKILL of one state worker, started again"),
    Kind("kill-camera", "camera", (1, 4), "SIGKILL of one camera, started again"),
    Kind("stop-landmarks", "landmarks", (1, 4), "SIGSTOP and SIGCONT of one landmarks worker"),
    Kind("stop-classify", "classify", (1, 4), "SIGSTOP and SIGCONT of one classify worker"),
    Kind("stop-state", "state", (1, 4), "SIGSTOP and SIGCONT of one state worker"),
    Kind("stop-camera", "camera", (1, 4), "SIGSTOP and SIGCONT of one camera"),
    Kind("zombie-landmarks", "landmarks", (2, 5), "a landmarks worker that wakes after its session", True),
    Kind("zombie-classify", "classify", (2, 5), "a classify worker that wakes after its session", True),
    Kind("zombie-state", "state", (2, 5), "a state worker that wakes after its session", True),
    Kind(
        "rewind-state",
        "state",
        (0, 1),
        "all state workers stop, their group goes 100 events back, they start",
    ),
    Kind("storm", "workers", (1, 2), "workers of landmarks and classify join and leave, three times"),
    Kind("bounce-broker", "kafka", (0, 1), "a broker ends in order and starts again"),
    Kind("kill-broker", "kafka", (1, 4), "SIGKILL of a broker, started again"),
    Kind("fill-disk", "kafka", (3, 8), "a broker's disk is full, then has room again"),
    Kind("cut-kafka", "kafka", (3, 8), "nothing passes between the brokers and anybody else"),
    Kind("slow-kafka", "kafka", (3, 8), "each piece between the brokers and anybody else takes 0.3 s more"),
    Kind("kill-redis", "redis", (1, 4), "SIGKILL of Redis, started again with its data"),
    Kind("stop-redis", "redis", (2, 6), "SIGSTOP and SIGCONT of Redis"),
    Kind("cut-redis", "redis", (3, 8), "nothing passes between Redis and anybody else"),
    Kind("fail-over-redis", "redis", (2, 4), "a replica that lags takes over; the old primary lives on"),
    Kind("flush-redis", "redis", (0, 1), "FLUSHALL"),
    Kind("step-clock", "camera", (2, 5), "a camera's clock steps by up to two minutes, and back"),
)
NAMES = tuple(kind.name for kind in KINDS)
GRACEFUL = frozenset({"storm", "bounce-broker", "slow-kafka"})
"""Where no worker dies, wakes too late or loses its way: nothing is done twice, no id changes."""
_PLACES: dict[str, Place] = {kind.name: kind.place for kind in KINDS}
_WORKERS: frozenset[Place] = frozenset({"landmarks", "classify", "workers"})


class Fault(NamedTuple):
    """One fault as planned."""

    name: str
    which: int
    """Which of several workers, cameras or brokers: this number modulo how many there are."""
    hold_s: float
    by: float
    """Between −1 and 1: how far, where the fault has a size."""


def plan(
    seed: int, rounds: int, names: Sequence[str] = NAMES, *, session_timeout_s: float = 6.0
) -> list[tuple[Fault, ...]]:
    """The faults of each round: one alone, then two at once, and so on. The same seed gives the same plan.

    Each of the names comes once before any comes again, as far as pairs allow.

    Raises:
        SettingsInvalid: for a name that is no fault's.
    """
    if unknown := sorted(set(names) - set(NAMES)):
        raise SettingsInvalid(f"There is no fault {', '.join(unknown)}; the faults are {', '.join(NAMES)}")
    rng = random.Random(seed)  # noqa: S311  # nosec B311  # must be the same again, and hides nothing
    kinds = [kind for kind in KINDS if kind.name in names]
    waiting: list[Kind] = []
    planned = []
    for number in range(rounds):
        chosen: list[Kind] = []
        for _ in range(1 + number % 2):
            if not any(_together(kind, chosen) for kind in waiting):
                waiting += rng.sample(kinds, len(kinds))
            fitting = next((kind for kind in waiting if _together(kind, chosen)), None)
            if fitting is not None:
                waiting.remove(fitting)
                chosen.append(fitting)
        planned.append(tuple(_fault(kind, rng, session_timeout_s) for kind in chosen))
    return planned


def _together(kind: Kind, others: Sequence[Kind]) -> bool:
    """Whether it breaks something else than the others do; a storm needs the workers that it joins."""
    places = {other.place for other in others}
    return kind.place not in places and not (
        kind.place in _WORKERS and places & _WORKERS and "workers" in {kind.place, *places}
    )


def _fault(kind: Kind, rng: random.Random, session_timeout_s: float) -> Fault:
    hold_s = rng.uniform(*kind.hold_s) + (session_timeout_s if kind.zombie else 0)
    return Fault(kind.name, rng.randrange(1000), round(hold_s, 1), round(rng.uniform(-1, 1), 2))
