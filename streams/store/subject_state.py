"""The rolling state of each subject in Redis: written by the state worker, read by `mien subjects`.

Keys (one hash slot a subject; each expires ``subject_ttl_s`` after the last event):
    mien:{subject}:state   hash: last frame, evidence, smoothed probabilities, dominant emotion, last event …
    mien:{subject}:window  sorted set: the emotions of the last ``window_s`` seconds, by time
    mien:{subject}:forgotten  there while the subject is not to be kept: ``streams.store.forgetting``
(``mien:{subject}:neutral`` is the classify stage's: ``streams.store.neutral_face_store``)

One Lua script applies one event (``subject_state.lua``, after ``subject_fence.lua``); a batch goes over in
one round trip. The state is a pure fold of the events that the fence lets pass.
"""

import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from streams import logs
from streams.errors import InputRefused
from streams.messages.emotion_event import EMOTIONS, EmotionEvent, Explanation, captured_at_us
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.unreadable import UNREADABLE
from streams.settings import Settings
from streams.store import connection
from streams.store.state_watch import StateWatch

FENCE_LUA = Path(__file__).with_name("subject_fence.lua").read_text()
LUA = FENCE_LUA + Path(__file__).with_name("subject_state.lua").read_text()
"""Applies one event; `script_arguments` are its arguments, after a state's and a window's keys."""
_LUA_SHA1 = hashlib.sha1(LUA.encode(), usedforsecurity=False).hexdigest()  # by which Redis knows a script
_NAMES = ",".join(EMOTIONS)
_encoder = msgspec.json.Encoder()

log = logs.get("mien.redis")


def state_key(subject_id: str) -> str:
    return f"mien:{{{subject_id}}}:state"


def window_key(subject_id: str) -> str:
    return f"mien:{{{subject_id}}}:window"


def forgotten_key(subject_id: str) -> str:
    return f"mien:{{{subject_id}}}:forgotten"


class Subject(msgspec.Struct, frozen=True):
    """What is known of one subject now, as `mien subjects --json` prints it."""

    subject_id: str
    camera_id: str
    frame_seq: int
    first_seen_us: int
    last_seen_us: int
    events: int
    abstained: int
    dominant: str | None
    """The emotion with the highest smoothed probability; null until one event did not abstain. An emotion
    is dominant when the evidence of about half a second speaks for it (``subject_state.lua``)."""
    since_us: int | None
    probabilities: dict[str, float]
    """Smoothed: of the evidence gathered over time; empty until one event did not abstain."""
    window: dict[str, int]
    """How many events of the last ``window_s`` seconds named each emotion."""
    last_emotion: str | None
    last_confidence: float
    last_explanation: Explanation


def script_arguments(settings: Settings, event: EmotionEvent, *, ttl_s: int) -> list[Any]:
    """What the script is told of an event; ``subject_state.lua`` lists it."""
    return [
        event.frame_seq,
        captured_at_us(event),
        event.camera_id,
        event.emotion or "",
        ",".join([f"{p:.6f}" for p in msgspec.structs.astuple(event.probabilities)]),
        _NAMES,
        event.pose.yaw,
        event.pose.pitch,
        settings.window_s * 1000,
        ttl_s,
        _encoder.encode((event.emotion, event.confidence, event.explanation)),
        event.explanation.baseline,
        settings.smoothing_s,
        settings.usual_s,
        settings.turn_discount,
        settings.sustained_odds,
        event.run,
    ]


class SubjectStore:
    """Use :func:`connect`; every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self.watch = StateWatch(client, settings)
        """Whether Redis still has all that was applied here."""

    async def apply(self, events: Sequence[EmotionEvent]) -> list[bool | InputRefused]:
        """Applies the events in order; for each, whether it changed the state (False: fenced as a replay).

        For one whose subject's keys hold something else, it is the refusal; the others are applied.
        """
        if not events:
            return []
        calls = [self._call(event) for event in events]
        async with connection.errors_told(self._client, self._settings):
            answers = await self._run(calls)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                await self._client.script_load(LUA)  # a Redis that is new, or was restarted
                answers = await self._run(calls)
            return [connection.refusal_of(answer) or bool(answer) for answer in answers]

    async def _run(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        # In one transaction: were Redis full, or without the script, for one event and not for the next one
        # of its subject, the fence would refuse the first for ever.
        async with self._client.pipeline(transaction=True) as pipe:
            for call in calls:
                pipe.evalsha(_LUA_SHA1, *call)
            before = self.watch.count(pipe)
            *answers, count, _ = await pipe.execute(raise_on_error=False)
            self.watch.check(before, count)
            return answers

    def _call(self, event: EmotionEvent) -> tuple[Any, ...]:
        """The script's number of keys, keys and arguments."""
        keys = state_key(event.subject_id), window_key(event.subject_id), forgotten_key(event.subject_id)
        return 3, *keys, *script_arguments(self._settings, event, ttl_s=self._settings.subject_ttl_s)

    async def subjects(self, camera_id: str | None = None) -> list[Subject]:
        """Subjects that have not expired, of one camera or of all but the probe; the longest known first."""
        found = [
            subject
            async for subject in self._scan(camera_id)
            if camera_id or subject.camera_id != PROBE_CAMERA
        ]
        return sorted(found, key=lambda subject: (subject.camera_id, subject.first_seen_us))

    async def _scan(self, camera_id: str | None) -> AsyncIterator[Subject]:
        pattern = state_key(f"{glob_quoted(camera_id)}:*" if camera_id else "*")
        async with connection.errors_told(self._client, self._settings):
            async for key in self._client.scan_iter(match=pattern, count=500):
                subject_id = key.decode()[len("mien:{") : -len("}:state")]
                async with self._client.pipeline(transaction=False) as pipe:
                    pipe.hgetall(key)
                    pipe.zrange(window_key(subject_id), 0, -1)
                    fields, window = answers = await pipe.execute(raise_on_error=False)
                refused = [connection.refusal_of(answer) for answer in answers]
                try:
                    if any(refused):
                        log.warning(
                            "subject left out", subject=subject_id, error=str(refused[0] or refused[1])
                        )
                    elif fields:  # else it expired between the two
                        yield _subject(subject_id, fields, window)
                except (KeyError, ValueError, *UNREADABLE) as exc:
                    log.warning("subject left out: its state is damaged", subject=subject_id, error=repr(exc))

    async def ping(self) -> Self:
        async with connection.errors_told(self._client, self._settings):
            await self._client.ping()
        return self


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[SubjectStore]:
    """Raises:
    SettingsInvalid: if MIEN_REDIS_URL is no Redis URL.
    """
    async with connection.client(settings, timeout_s=5) as redis_client:
        yield SubjectStore(redis_client, settings)


def _subject(subject_id: str, fields: dict[bytes, bytes], window: list[bytes]) -> Subject:
    emotion, confidence, explanation = msgspec.json.decode(
        fields[b"last_event"], type=tuple[str | None, float, Explanation]
    )
    dominant, since_us, smoothed = (fields.get(name) for name in (b"dominant", b"since_us", b"smoothed"))
    values = map(float, smoothed.decode().split(",")) if smoothed else ()
    return Subject(
        subject_id=subject_id,
        camera_id=fields[b"camera_id"].decode(),
        frame_seq=int(fields[b"frame_seq"]),
        first_seen_us=int(fields[b"first_seen_us"]),
        last_seen_us=int(fields[b"last_seen_us"]),
        events=int(fields[b"events"]),
        abstained=int(fields.get(b"abstained", 0)),
        dominant=dominant.decode() if dominant else None,
        since_us=int(since_us) if since_us else None,
        probabilities=dict(zip(EMOTIONS, values, strict=False)),
        window=dict(Counter(entry.decode().partition(":")[2] for entry in window)),
        last_emotion=emotion,
        last_confidence=confidence,
        last_explanation=explanation,
    )


def glob_quoted(text: str) -> str:
    """The text as a pattern of Redis that matches it alone."""
    return re.sub(r"([*?\[\]\\^-])", r"\\\1", text)
