"""Every decoder of bytes that others wrote, with good bytes to begin with and the errors that it may raise.

A family takes any bytes. Where a decoder wants several fields (a Kafka message, a Redis hash), the bytes are
those fields with `SEPARATOR` between them.
"""

import asyncio
import base64
import io
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from made_up_messages import emotion, face, frame
from PIL import Image

from models.faces import jpeg_passthrough, pictures
from models.faces.jpeg_passthrough import JpegLimits
from models.faces.pictures import PictureRefused
from streams import settings as settings_
from streams.errors import BadMessage, FileInvalid, InputRefused, SettingsInvalid
from streams.messages import alert as alert_message
from streams.messages import camera_truth, dead_letter, emotion_event, frame_message, landmarks_message
from streams.messages import verdict as verdict_message
from streams.messages.alert import Alert, AlertEvidence
from streams.messages.emotion_event import time_of
from streams.messages.frame_message import Headers
from streams.messages.unreadable import UNREADABLE
from streams.messages.verdict import Verdict
from streams.settings import Settings
from streams.store import camera_track_store, connection, neutral_face_store, subject_state, track_note
from streams.store.camera_track_store import CameraTracks, TrackRecord
from workers.alerts import rule_file
from workers.camera_fleet import camera_list
from workers.stages import track_hand_over
from workers.truth import scene
from workers.truth.scene import VALUES, UsualScenes

SEPARATOR = b"\xfe\xfd"
N_POINTS = 128
_LOCAL = Settings()
_RUNNER = asyncio.Runner()
LIMITS = JpegLimits(max_bytes=64 * 1024, max_pixels=640 * 480, max_width_px=640)


class Family(NamedTuple):
    """One kind of foreign bytes."""

    decode: Callable[[bytes], object]
    may_raise: tuple[type[Exception], ...]
    seeds: list[bytes]
    words: Sequence[bytes] = ()


def _message(data: bytes) -> tuple[bytes | None, bytes | None, Headers]:
    key, value, *rest = [*data.split(SEPARATOR), b"", b""]
    names = [name.decode("utf-8", "replace") for name in rest[::2]]
    return key or None, value or None, list(zip(names, rest[1::2], strict=False))


def _bytes_of(key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    return SEPARATOR.join([key or b"", value or b"", *(p for n, raw in headers for p in (n.encode(), raw))])


def _frames(data: bytes) -> None:
    frame_message.encode(frame_message.decode(*_message(data)))


def _landmarks(data: bytes) -> None:
    message = landmarks_message.decode(data)
    landmarks_message.unpack_points(message, N_POINTS)
    # What classify makes of it must be JSON again.
    box, pose = message.face, message.pose
    emotion_event.encode(msgspec.structs.replace(emotion(), face=box, pose=pose), message.traceparent)


def _camera_list(data: bytes) -> None:
    camera_list.parse(data.decode(errors="replace"), "cameras.yaml")


def _emotions(data: bytes) -> None:
    event = emotion_event.decode(data)
    assert emotion_event.decode(emotion_event.encode(event)[1]) == event
    assert emotion_event.captured_at_us(event) >= 0


def _alerts(data: bytes) -> None:
    alert_message.encode(alert_message.decode(data))


def _alert_rules(data: bytes) -> None:
    rule_file.parse(data.decode(errors="replace"), "alerts.yaml")


def _camera_truths(data: bytes) -> None:
    truth = camera_truth.decode(data)
    assert camera_truth.decode(camera_truth.encode(truth)[1]) == truth
    assert camera_truth.time_us(truth.at) >= 0


def _verdicts(data: bytes) -> None:
    verdict = verdict_message.decode(data)
    assert verdict_message.decode(verdict_message.encode(verdict)[1]) == verdict


def _usual_scenes(data: bytes) -> None:
    usual = scene.unpack(data)
    if usual is not None:
        likeness = usual.likeness(np.full(VALUES, VALUES**-0.5, np.float32))
        assert likeness is None or 0 <= likeness <= 1.001
        scene.pack(usual)


def _dead_letters(data: bytes) -> None:
    key, value, headers = _message(data)
    letter = dead_letter.decode(0, 7, 1, value, headers)
    msgspec.json.encode(letter)
    dead_letter.foreign_headers(headers)
    dead_letter.replayed_place(headers)
    error = BadMessage(letter.error)
    place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
    letters = dead_letter.smaller_and_smaller(
        error, key=key, value=value, headers=headers, stage=letter.stage, **place
    )
    assert all(isinstance(raw, bytes) for one in letters for _, raw in one.headers)


def _camera_tracks(data: bytes) -> None:
    if record := camera_track_store._decoded(data):
        _can_be_calculated_with(record)


def _track_notes(data: bytes) -> None:
    for record in track_note.read(data.decode(errors="replace")).values():
        _can_be_calculated_with(record)
    for record in track_note.read(base64.b85encode(data).decode()).values():
        _can_be_calculated_with(record)


def _can_be_calculated_with(record: CameraTracks) -> None:
    for kept in record.tracks:
        track = track_hand_over._track_of(kept)
        assert np.isfinite(track.box_xyxy_px).all()
        assert all(map(math.isfinite, track.roi))


def _neutral_faces(data: bytes) -> None:
    kept = neutral_face_store._decoded(data)
    if kept:
        points = neutral_face_store.unpack_points(kept, "three", 3)
        assert points is None or np.isfinite(points).all()


def _subject_states(data: bytes) -> None:
    window, *rest = data.split(SEPARATOR)
    fields = dict(zip(rest[::2], rest[1::2], strict=False))
    msgspec.json.encode(subject_state._subject("lobby:7k3f", fields, window.split(b"\n")))


def _jpeg_headers(data: bytes) -> None:
    jpeg_passthrough.ready_jpeg(data, LIMITS)
    pictures.jpeg_size_px(data)


def _jpegs(data: bytes) -> None:
    for shrink in (1, 8):
        pictures.decode_jpeg(data, max_bytes=64 * 1024, max_pixels=LIMITS.max_pixels, shrink=shrink)


_FILE = Path(tempfile.gettempdir(), f"mien-fuzz-{os.getpid()}")


def _picture_files(data: bytes) -> None:
    try:
        _FILE.write_bytes(data)
        pictures.read_picture(_FILE, max_pixels=LIMITS.max_pixels)
    finally:
        _FILE.unlink()


def _settings(data: bytes) -> None:
    variables = {}
    for line in data.replace(b"\0", b"").split(b"\n"):
        name, _, value = line.decode("utf-8", "surrogateescape").partition("=")
        if name.isascii() and name.isidentifier():
            variables[f"MIEN_{name.upper()}"] = value
    with _environment(variables):
        loaded = settings_.load()
        msgspec.json.encode(settings_.in_force(loaded))
        settings_.unknown_variables()
        repr(loaded.topics), repr(loaded)


def _redis_urls(data: bytes) -> None:
    url = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")

    async def open_it() -> None:
        async with connection.client(_LOCAL.model_copy(update={"redis_url": url}), timeout_s=1):
            pass  # it connects when it is used

    _RUNNER.run(open_it())


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


def _saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    data = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(data, kind, **options)
    return data.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    return exif


_JPEGS = [
    pictures.encode_jpeg(np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)),
    _saved("JPEG"),
    _saved("JPEG", "L"),
    _saved("JPEG", "CMYK"),
    _saved("JPEG", progressive=True),
    _saved("JPEG", exif=_exif()),
]
_JPEG_WORDS = [bytes([0xFF, mark]) for mark in (0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xD9, 0xD0, 0xE1, 0xFE)]
_KEPT = TrackRecord("lobby:7k3f", (9.0, 9.0, 8.0, 0.1), (1.0, 1.0, 9.0, 9.0), (0.0, 1.0, 0.1), 7)
_ALERT = Alert(
    "6f1c", "fear", "warning", "firing", "lobby", "lobby:7k3f", time_of(7), time_of(9), "Fear.", 0.8, 0.6,
    {"team": "desk"},
    AlertEvidence(["e"], 0.9, 0.8, "fear", "subject", {"brows": 0.6}, ["brows raised"], "text", "ok"),
)  # fmt: skip
_STATE = {
    b"camera_id": b"lobby", b"frame_seq": b"7", b"first_seen_us": b"1", b"last_seen_us": b"9",
    b"events": b"3",
    b"abstained": b"1", b"dominant": b"fear", b"since_us": b"4",
    b"smoothed": b"0.1,0.2,0.3,0.1,0.1,0.1,0.05,0.05",
    b"last_event": msgspec.json.encode((emotion().emotion, 0.5, emotion().explanation)),
}  # fmt: skip
_VARIABLES = [
    b"KAFKA_BOOTSTRAP_SERVERS=a:9092,[::1]:9093\nKAFKA_SECURITY_PROTOCOL=SASL_SSL\nKAFKA_SASL_USERNAME=a\n"
    b"KAFKA_SASL_PASSWORD=p",
    b"REDIS_URL=rediss://user:p%40ss@host:6379/0?db=1\nREDIS_SENTINELS=a:26379",
    *(f"{name}={field.default}".encode() for name, field in Settings.model_fields.items()),
]

FAMILIES = {
    "frames": Family(
        _frames,
        (BadMessage,),
        [_bytes_of(*frame_message.encode(frame(b"jpeg")))],
        [b"seq", b"run", b"captured-at", b"size", b"source", SEPARATOR, "٣".encode(), b"640x480"],
    ),
    "landmarks": Family(_landmarks, (BadMessage,), [landmarks_message.encode(face(N_POINTS))]),
    "emotions": Family(
        _emotions,
        (BadMessage,),
        [emotion_event.encode(emotion())[1]],
        [
            b'"captured_at"',
            b'"emotion":null',
            b'"abstained":"blurred"',
            b"0001-01-01T00:00:00+23:59",
            b"\\ud800",
        ],
    ),
    "alerts": Family(
        _alerts, (BadMessage,), [alert_message.encode(_ALERT)[1]], [b'"evidence"', b"null", b"NaN"]
    ),
    "camera-truths": Family(
        _camera_truths,
        (BadMessage,),
        [
            camera_truth.encode(camera_truth.CameraTruth("a", 1, time_of(0), "dark", time_of(0), {"x": 1.5}))[
                1
            ]
        ],
        [b'"measures"', b"null", b"NaN", b"1e999", b'"clock-off"', b"0001-01-01T00:00:00+23:59"],
    ),
    "verdicts": Family(
        _verdicts,
        (BadMessage,),
        [verdict_message.encode(Verdict("a-1", "unsure", "anna", time_of(0), "?", "fear", "a", "fear"))[1]],
        [b'"confirmed"', b"null", b"0001-01-01T00:00:00+23:59"],
    ),
    "usual-scenes": Family(
        _usual_scenes, (), [scene.pack(UsualScenes({0: bytes(VALUES), 23: b"\x7f\x80" * (VALUES // 2)}))]
    ),
    "camera-list": Family(
        _camera_list,
        (FileInvalid,),
        [
            (Path(__file__).parents[2] / "docs" / "cameras.yaml").read_bytes(),
            b"defaults: {fps: 5, priority: 3}\ncameras:\n  - {id: lobby, source: 0, group: a}\n",
        ],
        [b"source_env: ", b"&a ", b"*a", b"- ", b"://", b"priority: ", b"null"],
    ),
    "alert-rules": Family(
        _alert_rules,
        (FileInvalid,),
        [
            (Path(__file__).parents[2] / "docs" / "alerts" / "alerts.yaml").read_bytes(),
            b"rules:\n  - {name: fear, emotions: [fear], probability: 0.6, for: 3s, subjects_at_least: 2}\n",
        ],
        [
            b"for: ",
            b"3s",
            b"&a ",
            b"*a",
            b"<<: ",
            b"!!python/object",
            b"during:",
            b"1e400",
            b"- {",
            b"? ",
            b"|",
        ],
    ),
    "dead-letters": Family(
        _dead_letters,
        (InputRefused,),
        [
            _bytes_of(
                b"lobby",
                b"value",
                dead_letter.encode(
                    BadMessage("bad"),
                    stage="landmarks",
                    topic="mien.frames",
                    partition=1,
                    offset=2,
                    headers=[("seq", b"1")],
                ),
            ),
            _bytes_of(*dead_letter.replayed_mark("1@7")),
        ],
        [b"dead-letter-partition", b"dead-letter-offset", b"dead-letter-replayed", SEPARATOR],
    ),
    "camera-tracks": Family(
        _camera_tracks, (), [camera_track_store._encoder.encode(CameraTracks(7, (_KEPT, _KEPT)))]
    ),
    "track-notes": Family(
        _track_notes,
        (),
        [
            note := track_note.write({"lobby": CameraTracks(7, (_KEPT, _KEPT), 5, 9)}).encode(),
            base64.b85decode(note),
        ],
    ),
    "neutral-faces": Family(
        _neutral_faces,
        (),
        [
            neutral_face_store._encoder.encode(
                neutral_face_store.pack("three", np.ones((3, 3), np.float32), 1.0, 2, 3)
            )
        ],
    ),
    "subject-states": Family(
        _subject_states,
        (KeyError, ValueError, *UNREADABLE),  # which `SubjectStore.subjects` leaves out
        [SEPARATOR.join([b"1.7:fear\n1.8:anger", *(part for pair in _STATE.items() for part in pair)])],
        [SEPARATOR, *_STATE],
    ),
    "jpeg-headers": Family(_jpeg_headers, (PictureRefused,), _JPEGS, _JPEG_WORDS),
    "jpegs": Family(_jpegs, (PictureRefused,), _JPEGS, _JPEG_WORDS),
    "picture-files": Family(
        _picture_files,
        (PictureRefused, OSError),
        [
            *_JPEGS,
            *(_saved(kind) for kind in ("PNG", "BMP", "TIFF", "WEBP", "PPM", "TGA")),
            _saved("GIF", "P"),
            _saved("PNG", "P"),
            _saved("TIFF", "L", compression="tiff_lzw"),
        ],
    ),
    "settings": Family(
        _settings,
        (SettingsInvalid,),
        _VARIABLES,
        [name.upper().encode() + b"=" for name in Settings.model_fields] + [b"_FILE=", b"\n"],
    ),
    "redis-urls": Family(
        _redis_urls,
        (SettingsInvalid,),
        [b"redis://:p@ss/w#rd@host:6379/0", b"rediss://user:p@host?db=7", b"unix:///run/redis.sock?db=1"],
        [b"?", b"&", b"max_connections=", b"retry=", b"protocol=3", b"%", b"[::1]", b"@", b"socket_timeout="],
    ),
}


def outcome(family: Family, data: bytes) -> str:
    """What a decoder says to these bytes, in a word; any error that it may not raise comes out."""
    try:
        family.decode(data)
    except family.may_raise as exc:
        return f"{type(exc).__name__}: {exc}"[:100]
    return "accepted"
