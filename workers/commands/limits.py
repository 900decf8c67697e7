"""`mien limits`: degrades pictures of faces and finds where the answer breaks.

With ``neutral="own"`` the faces are compared with their own neutral face: the portrait's is that of its
neutral frames, and a folder holds the pictures of one person, of which those named ``neutral…`` give it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from models.arrays import F32, Picture
from models.emotion.classifier import Classifier
from models.emotion.operating_points import ACCURATE, OWN
from models.faces import align
from models.faces.engine import FaceEngine, find_faces
from models.faces.pictures import PictureRefused, read_picture
from models.judging import plots, quality_limits
from models.judging.quality_limits import Degradation, JpegAgreement, LevelSummary, Limit, Measure, Subject
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script, truth_at
from streams.errors import InputRefused, SourceNotFound
from streams.settings import Settings
from workers import model_loading, output_files

MEASURES: Final[tuple[Measure, ...]] = ("inter_ocular_px", "sharpness", "yaw_deg", "pitch_deg")
JPEG_AT_PX: Final = (None, 60.0, 40.0, 25.0)
PORTRAIT_FPS: Final = 2.0
"""One round of the script ``cycle``, without the frames on the way between two expressions."""


Neutral: TypeAlias = Literal["population", "own"]
"""The baseline: everybody's mean neutral face, or the person's own."""


class _Shown(NamedTuple):
    """A picture of a person."""

    name: str
    picture: Picture
    neutral: bool  # shows the person's neutral face


@dataclass(frozen=True, slots=True)
class Report:
    model: str
    neutral: Neutral
    share: float  # of same answers that is asked for
    faces: int  # found in the pictures, large enough
    sure: int  # … with a sure answer undegraded: the limits are theirs
    sources: dict[str, int]  # faces by picture
    limits: list[Limit]
    levels: list[LevelSummary]
    jpeg: list[JpegAgreement]


def run(
    settings: Settings,
    folders: Sequence[Path],
    share: float,
    out: Path | None,
    console: Console,
    degradations: Sequence[Degradation] = quality_limits.DEGRADATIONS,
    *,
    neutral: Neutral = "population",
) -> Report:
    """Measures on the shipped portrait and the pictures of ``folders``.

    With ``out``, ``limits.json`` and ``limits.png`` are written there.

    Raises:
        SourceNotFound: if a folder cannot be read.
        InputRefused: if no face gets a sure answer, or own neutral faces are asked for and a folder has none.
        ModelUnusable: if the model cannot be loaded.
        OutputFailed: if ``out`` cannot be written; this is tried first.
    """
    if out is not None:
        output_files.make_folder(out)
    levels = sum(len(degradation.levels) for degradation in degradations)
    files = [_files(folder) for folder in folders]
    classifier = model_loading.load_classifier(settings)
    if neutral == "own" and not classifier.knows_own_neutral_faces:
        raise InputRefused(
            f"{classifier.name} {classifier.version} has no network for own neutral faces; leave "
            "--neutral own out.",
            reason="no-own-network",
        )
    points = classifier.own_operating_points if neutral == "own" else classifier.operating_points
    min_confidence = points[OWN if neutral == "own" else ACCURATE].min_confidence
    with model_loading.open_engine() as engine, Progress(console=console, transient=True) as bar:
        found: list[Subject] = []
        task = bar.add_task("Reading", total=None)
        read = (_read(each, settings) for each in files)
        for whose, pictures in chain([("The portrait", _portrait())], zip(folders, read, strict=True)):
            shown = list(pictures) if neutral == "own" else pictures
            own = _own_neutral(engine, classifier, shown, str(whose)) if isinstance(shown, list) else None
            for one in shown:
                found += quality_limits.subjects(engine, classifier, one.picture, one.name, own)
                bar.advance(task)
        sure = [s for s in found if s.reading.confidence >= min_confidence]
        if not sure:
            raise InputRefused(
                f"No face of {quality_limits.MIN_REFERENCE_PX:.0f} px or more between the eyes gets a sure "
                "answer from this model, not even the shipped portrait's. Use another, or add some with "
                "--pictures.",
                reason="no-faces",
            )
        bar.update(task, description="Degrading", completed=0, total=len(sure) * levels)
        done = []
        for trial in quality_limits.trials(engine, classifier, sure, degradations):
            done.append(trial)
            bar.advance(task)
        bar.update(task, description="JPEG", total=None)
        jpeg = [
            quality_limits.compare_jpeg(engine, classifier, found, at_px, min_confidence)
            for at_px in JPEG_AT_PX
        ]
    evidence = {
        measure: quality_limits.evidence(measure, sure, done, min_confidence, degradations)
        for measure in MEASURES
    }
    measured = [quality_limits.limit(measure, evidence[measure], share) for measure in MEASURES]
    report = Report(
        model=f"{classifier.name} {classifier.version}",
        neutral=neutral,
        share=share,
        faces=len(found),
        sure=len(sure),
        sources={s.name: sum(other.name == s.name for other in found) for s in found},
        limits=[one for one in measured if one is not None],
        levels=quality_limits.summarise(sure, done, min_confidence, degradations),
        jpeg=jpeg,
    )
    if out is not None:
        output_files.write_json(out / "limits.json", report)
        output_files.write_bytes(out / "limits.png", plots.limits(evidence, report.limits, share))
    return report


def show(report: Report, console: Console) -> None:
    """The limits, every level, and JPEG against JPEG."""
    console.print(
        f"{report.faces} faces, {report.sure} of them with a sure answer undegraded; model {report.model}, "
        f"{report.neutral} neutral face"
    )
    table = Table(
        "measure", "limit", "5–95 %", "measured to", "trials", title=f"Same answer ≥ {report.share:.0%}"
    )
    for one in report.limits:
        table.add_row(
            one.measure,
            _number(one.value) if one.value is not None else f"breaks {one.breaks}",
            f"{_number(one.low)} – {_number(one.high)}",
            _number(one.worst_measured),
            str(one.trials),
        )
    console.print(table)

    table = Table(
        "degradation",
        "level",
        "found",
        "same",
        "given",
        "same, given",
        "confidence",
        "moved by",
        "eyes px",
        "sharpness",
        "yaw",
        "pitch",
    )
    for row in report.levels:
        table.add_row(
            row.degradation,
            f"{row.level:g} {row.unit}",
            f"{row.found:.0%}",
            _share(row.same),
            _share(row.given),
            _share(row.same_given),
            "–" if row.confidence_change is None else f"{row.confidence_change:+.2f}",
            _number(row.displacement),
            _number(row.inter_ocular_px),
            _number(row.sharpness),
            _number(row.yaw_deg),
            _number(row.pitch_deg),
        )
    console.print(table)

    table = Table(
        "eyes apart",
        "faces",
        "pictures",
        "same",
        "same, given",
        "Pearson",
        "Spearman",
        "moved by",
        title="JPEG 60 against 95",
    )
    for jpeg in report.jpeg:
        table.add_row(
            jpeg.faces_at,
            str(jpeg.faces),
            str(jpeg.pictures),
            _share(jpeg.same),
            _share(jpeg.same_given),
            _number(jpeg.attribution_pearson),
            _number(jpeg.attribution_spearman),
            _number(jpeg.displacement),
        )
    console.print(table)


def _portrait() -> Iterator[_Shown]:
    """The shipped portrait through one round of all its expressions."""
    script = find_script("cycle")
    animation = Animation(script, PORTRAIT_FPS)
    for index in range(round(script.duration_s * PORTRAIT_FPS)):
        if (truth := truth_at(script, index, PORTRAIT_FPS)) is not None:
            yield _Shown(f"portrait, {truth}", animation.frame(index), truth == "neutral")


def _own_neutral(engine: FaceEngine, classifier: Classifier, pictures: Sequence[_Shown], whose: str) -> F32:
    """[K, 3]: the mean of a person's neutral faces, the largest of each picture."""
    faces = [find_faces(engine, shown.picture) for shown in pictures if shown.neutral]
    if not any(faces):
        raise InputRefused(
            f"{whose} has no picture of a neutral face. With --neutral own a folder holds the pictures of "
            "one person; name those with the neutral face neutral.jpg, neutral-2.jpg and so on.",
            reason="no-neutral-face",
        )
    largest = [max(found, key=lambda face: np.ptp(face.box_xyxy_px)) for found in faces if found]
    points = align.align(np.stack([face.landmarks_px for face in largest])).points
    mean: F32 = classifier.landmark_set.take(points).mean(axis=0)
    return mean


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as exc:
        raise SourceNotFound(f"{folder} cannot be read: {exc.strerror}. Name a folder of pictures.") from exc


def _read(files: Sequence[Path], settings: Settings) -> Iterator[_Shown]:
    """The pictures among the files; anything else in the folder is passed over."""
    for file in files:
        try:
            picture = read_picture(file, max_pixels=settings.max_frame_pixels)
            yield _Shown(file.name, picture, file.stem.lower().startswith("neutral"))
        except PictureRefused:
            continue
        except OSError as exc:
            raise SourceNotFound(f"{file} cannot be read: {exc.strerror}") from exc


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}"
