"""Where in a camera's picture faces were seen, and which of them could be read, in Redis.

Key, in the camera's hash slot, one a day (UTC) that expires ``coverage_days`` after it was last written:
    mien:{camera}:coverage:2026-11-29   hash: "COLUMN,ROW,OUTCOME,DETAIL" → how many faces, and "picture"

The picture is divided into `COLUMNS` by `ROWS` cells; a face counts in the cell of its centre. ``OUTCOME`` is
``named``, or why the event abstained. ``DETAIL`` says what is wrong: of a small face the px across its
eyes, of a turned one the way it looks, of a cut off one the edge; else it is empty. "picture" has the size of
the last one.

It holds counts, and nothing of anybody. Several workers add to one camera's: all is added, nothing replaced.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, Self

import msgspec
from redis.asyncio import Redis

from streams.errors import InputRefused
from streams.messages.emotion_event import EmotionEvent
from streams.messages.landmarks_message import FaceBox, PictureSize
from streams.settings import Settings
from streams.store import connection
from streams.store.subject_state import glob_quoted

COLUMNS: Final = 16
ROWS: Final = 9
NAMED: Final = "named"
MAX_DETAIL_PX: Final = 99
_AT_EDGE: Final = 1e-3
_DAY_S: Final = 24 * 3600
_PICTURE: Final = "picture"
_FIELD: Final = re.compile(
    r"(?P<column>[0-9]{1,2}),(?P<row>[0-9]),(?P<outcome>[a-z-]{1,40}),(?P<detail>[a-z0-9]{0,9})"
)


class Seen(NamedTuple):
    """What is counted as the same: a cell of the picture, and what came of a face there."""

    column: int
    """From the left, 0 to `COLUMNS` − 1."""
    row: int
    """From the top, 0 to `ROWS` − 1."""
    outcome: str
    """``named``, or why no emotion was named: one of ``emotion_event.Abstention``."""
    detail: str = ""
    """``small-face``: px between the outer corners of the eyes, rounded down. ``extreme-pose``: left, right,
    up or down, as it looks. ``partial-face``: left, right, top or bottom, where the picture ends."""

    @property
    def field(self) -> str:
        return f"{self.column},{self.row},{self.outcome},{self.detail}"


class Counts(NamedTuple):
    """What is known of a camera, or is to be added."""

    faces: Mapping[Seen, int]
    picture: PictureSize | None
    """The last one; None: the events did not say."""


def seen(event: EmotionEvent) -> Seen:
    """As what a face counts."""
    column, row = cell_of(event.face)
    return Seen(column, row, event.abstained or NAMED, _detail(event))


def cell_of(face: FaceBox) -> tuple[int, int]:
    """Column and row of the face's centre; of a face beyond the edge, those at the edge."""
    return _part(face.x + face.w / 2, COLUMNS), _part(face.y + face.h / 2, ROWS)


def _part(share: float, parts: int) -> int:
    return int(min(max(share, 0.0) * parts, parts - 1))


def _detail(event: EmotionEvent) -> str:
    if event.abstained == "small-face" and event.quality:
        return str(int(min(event.quality.inter_ocular_px, MAX_DETAIL_PX)))
    if event.abstained == "extreme-pose":
        yaw, pitch = event.pose.yaw, event.pose.pitch
        if abs(yaw) >= abs(pitch):
            return "right" if yaw > 0 else "left"
        return "up" if pitch > 0 else "down"
    if event.abstained == "partial-face":
        return _edge(event.face)
    return ""


def _edge(face: FaceBox) -> str:
    """Which edge of the picture a face reaches, as its box ends there; of several the first."""
    reached = {
        "left": face.x <= _AT_EDGE,
        "right": face.x + face.w >= 1 - _AT_EDGE,
        "top": face.y <= _AT_EDGE,
        "bottom": face.y + face.h >= 1 - _AT_EDGE,
    }
    return next((edge for edge, is_reached in reached.items() if is_reached), "")


def coverage_key(camera_id: str, day: date) -> str:
    """The Redis key of a camera's counts of one day."""
    return f"mien:{{{camera_id}}}:coverage:{day.isoformat()}"


def key_pattern(camera_id: str) -> str:
    """Matches the keys of all days of a camera."""
    return f"mien:{{{glob_quoted(camera_id)}}}:coverage:*"


def today() -> date:
    return datetime.now(UTC).date()


class CoverageStore:
    """Use :func:`connect`; every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    async def add(self, cameras: Mapping[str, Counts]) -> list[InputRefused]:
        """Adds to the counts of today, in one transaction; gives the refusals of keys that are not ours."""
        if not cameras:
            return []
        ttl_s, day = self._settings.coverage_days * _DAY_S, today()
        async with (
            connection.errors_told(self._client, self._settings),
            self._client.pipeline(transaction=True) as pipe,
        ):
            for camera_id, counts in cameras.items():
                key = coverage_key(camera_id, day)
                for what, count in counts.faces.items():
                    pipe.hincrby(key, what.field, count)
                if counts.picture:
                    pipe.hset(key, _PICTURE, "{}x{} of {}".format(*msgspec.structs.astuple(counts.picture)))
                pipe.expire(key, ttl_s)
            refusals = map(connection.refusal_of, await pipe.execute(raise_on_error=False))
            return [refusal for refusal in refusals if refusal]

    async def read(self, camera_id: str, days: int) -> Counts:
        """The sum of a camera's last so many days, with today; what is not ours is left out."""
        until = today()
        async with (
            connection.errors_told(self._client, self._settings),
            self._client.pipeline(transaction=False) as pipe,
        ):
            for ago in reversed(range(days)):
                pipe.hgetall(coverage_key(camera_id, until - timedelta(days=ago)))
            answers = await pipe.execute(raise_on_error=False)
        return _summed([{} if connection.refusal_of(answer) else answer for answer in answers])

    async def cameras(self) -> list[str]:
        """Every camera that has counts, of whatever day."""
        found: set[str] = set()
        async with connection.errors_told(self._client, self._settings):
            async for key in self._client.scan_iter(match="mien:{*}:coverage:*", count=500):
                found.add(key.decode(errors="replace").removeprefix("mien:{").partition("}:")[0])
        return sorted(found)

    async def ping(self) -> Self:
        async with connection.errors_told(self._client, self._settings):
            await self._client.ping()
        return self


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[CoverageStore]:
    """Raises:
    SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    async with connection.client(settings, timeout_s=5) as redis_client:
        yield CoverageStore(redis_client, settings)


def _summed(days: Sequence[Mapping[bytes, bytes]]) -> Counts:
    """The sum of hashes, the oldest first."""
    faces: dict[Seen, int] = {}
    picture: PictureSize | None = None
    for fields in days:
        for raw, value in fields.items():
            name = raw.decode(errors="replace")
            if name == _PICTURE:
                picture = _picture(value) or picture
            elif (what := _seen(name)) and re.fullmatch(rb"[0-9]{1,15}", value):
                faces[what] = faces.get(what, 0) + int(value)
    return Counts(faces, picture)


def _seen(field: str) -> Seen | None:
    found = _FIELD.fullmatch(field)
    if not found or int(found["column"]) >= COLUMNS or int(found["row"]) >= ROWS:
        return None
    return Seen(int(found["column"]), int(found["row"]), found["outcome"], found["detail"])


def _picture(value: bytes) -> PictureSize | None:
    found = re.fullmatch(rb"([1-9][0-9]{0,5})x([1-9][0-9]{0,5}) of ([1-9][0-9]{0,5})", value)
    return PictureSize(*map(int, found.groups())) if found else None
