"""`mien explain`: the faces of one picture, explained as in the stream, without any server."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.arrays import Picture
from models.emotion.draw import AnnotatedFace, annotate
from models.faces.engine import DetectedFace, find_faces
from models.faces.pictures import PictureRefused, encode_picture, read_picture
from models.faces.tracking import TrackedFace
from streams.errors import BadPicture, OutputFailed, SourceNotFound
from streams.messages.emotion_event import EmotionEvent
from streams.messages.frame_message import Frame
from streams.settings import Settings
from workers import model_loading, output_files
from workers.stages.classify import EventMaker
from workers.stages.landmarks import to_messages
from workers.subject_table import top_regions

CAMERA_ID = "explain"
"""Stands for the camera in the events, which are otherwise those of the stream."""


def run(settings: Settings, image: Path, out: Path | None) -> list[EmotionEvent]:
    """Makes one event a face; with ``out`` also writes the picture, its landmarks coloured by attribution.

    Raises:
        SourceNotFound: if the picture cannot be opened.
        BadPicture: if it is none, corrupt or too large.
        SettingsInvalid: if the model has no such operating point.
        ModelUnusable: if the model cannot be loaded.
        OutputFailed: if ``out`` cannot be written; that its folder is there is checked before.
    """
    if out is not None:
        output_files.check_file(out)
    picture = _read(image, settings)
    events = EventMaker(model_loading.load_classifier(settings), settings)
    landmark_set = model_loading.load_landmark_set(settings)
    with model_loading.open_engine() as engine:
        found = find_faces(engine, picture, max_faces=settings.max_faces)
    frame = _frame(picture)
    tracked = [TrackedFace(f"{CAMERA_ID}:{number}", face) for number, face in enumerate(found, start=1)]
    messages = to_messages(frame, tracked, landmark_set, size_px=(picture.shape[1], picture.shape[0]))
    explained = events.of([events.check(message) for message in messages]) if messages else []
    if out is not None:
        drawn = annotate(
            picture,
            [
                _annotated(face, event, landmark_set.indices)
                for face, event in zip(found, explained, strict=True)
            ],
        )
        try:
            data = encode_picture(drawn, out.suffix)
        except (ValueError, OSError) as exc:  # Pillow says with OSError that a format takes no colours
            raise OutputFailed(f"Cannot write {out}: {exc}. Use .png or .jpg.") from exc
        output_files.write_bytes(out, data)
    return explained


def show(events: list[EmotionEvent], console: Console) -> None:
    """Prints a few lines a face."""
    if not events:
        console.print(
            "No face found. A face narrower than a twelfth of the picture is often missed: cut it closer.",
            soft_wrap=True,
        )
    for number, event in enumerate(events, start=1):
        why = event.explanation
        console.print(f"Face {number}: {headline(event)}", style="bold", highlight=False, soft_wrap=True)
        console.print(f"  {why.text}", highlight=False, soft_wrap=True)
        console.print(f"  Explained by {top_regions(why.regions, 4)}.", highlight=False, soft_wrap=True)
        console.print(
            f"  Score of {why.target} {why.score_change:+.2f} against the neutral face; "
            f"the attributions add up to it within {why.completeness_error:.0e}.",
            highlight=False,
            soft_wrap=True,
        )


def headline(event: EmotionEvent) -> str:
    """``Happiness 93%``, or why no emotion is named."""
    best = f"{event.explanation.target} {event.confidence:.0%}"
    return f"Not sure ({event.abstained}): {best}" if event.abstained else best.capitalize()


def _read(image: Path, settings: Settings) -> Picture:
    try:
        return read_picture(image, max_pixels=settings.max_frame_pixels)
    except PictureRefused as exc:
        raise BadPicture(str(exc), reason=exc.reason) from exc
    except OSError as exc:
        raise SourceNotFound(f"{image} cannot be read: {exc.strerror}") from exc


def _frame(picture: Picture) -> Frame:
    height, width = picture.shape[:2]
    return Frame(
        camera_id=CAMERA_ID,
        seq=0,
        captured_at_us=time.time_ns() // 1000,
        size_px=(width, height),
        source="file",
        traceparent="",
        jpeg=b"",
    )


def _annotated(face: DetectedFace, event: EmotionEvent, indices: NDArray[np.int32]) -> AnnotatedFace:
    why = event.explanation
    return AnnotatedFace(
        landmarks_px=face.landmarks_px[indices],
        attributions=np.array(why.attributions, dtype=np.float32),
        box_xyxy_px=face.box_xyxy_px,
        label=headline(event),
        detail=f"{why.text}\n{top_regions(why.regions, 4)}",
    )
