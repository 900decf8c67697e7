"""What a model's answers were on the faces that its card tells of, to compare those in a stream with.

`reference.json` beside the model holds it; `mien export --reference` measures it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec

from models.faces.canonical import COARSE_REGIONS

if TYPE_CHECKING:
    from models.emotion.classifier import Classifier  # brings ONNX Runtime

FILE: Final = "reference.json"

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Answers(msgspec.Struct, frozen=True):
    """What one network answers at one operating point."""

    confidence: Share
    """The mean."""
    low_confidence: Share
    """Of all faces: those whose confidence is not enough to answer."""
    emotion_mix: dict[str, Share]
    """Of the faces that get an answer: those with each emotion."""
    region_share: dict[str, Share]
    """The mean share of each coarse region in the absolute attribution."""


class Part(msgspec.Struct, frozen=True):
    """The answers for one set of faces, by operating point."""

    data_set: str
    faces: int
    operating_points: dict[str, Answers]


class Reference(msgspec.Struct, frozen=True):
    """Everything that `reference.json` holds."""

    model: str
    """Its version: the reference is of no other."""
    population: Part
    """Faces compared with the population's neutral face."""
    subject: Part | None
    """Faces compared with the subject's own; None where the model has no network for these."""
    own_baseline: Share
    """Of the frames of somebody who is seen for two minutes: those compared with the own neutral face."""


class Expected(NamedTuple):
    """One number to compare a stream with."""

    measure: str
    value: str
    ratio: float


_decoder = msgspec.json.Decoder(Reference)


def load(path: Path, classifier: "Classifier") -> Reference:
    """Reads the reference of a model. Raises OSError if the file cannot be read, ValueError if it is none of
    this model's."""
    try:
        reference = _decoder.decode(path.read_bytes())
    except msgspec.DecodeError as exc:
        raise ValueError(f"{path.name} is no reference: {exc}") from exc
    if reference.model != classifier.version:
        raise ValueError(
            f"{path.name} is of version {reference.model}: measure {classifier.version} with "
            "`mien export --reference`"
        )
    own = reference.subject.operating_points if reference.subject else {}
    for points, measured in (
        (classifier.operating_points, reference.population.operating_points),
        (classifier.own_operating_points, own),
    ):
        if points.keys() != measured.keys():
            raise ValueError(f"{path.name} has the points {', '.join(measured)}, not {', '.join(points)}")
        for answers in measured.values():
            if {*answers.emotion_mix} != {*classifier.emotions} or {*answers.region_share} != {
                *COARSE_REGIONS
            }:
                raise ValueError(f"{path.name} is of other emotions or regions")
    return reference


def expected(
    reference: Reference, point: str, own_point: str | None, *, own_min_confidence: bool
) -> Iterator[Expected]:
    """What to expect of a stream at these operating points; `own_point` None: own neutral faces are not used.

    A stream has faces of both kinds, and most of its metrics do not tell which. So what is expected of it is
    the answers of both parts, mixed as `own_baseline` says. With a least confidence that is the user's own,
    nothing is known of how often the model abstains.
    """
    population = reference.population.operating_points[point]
    subject = (
        reference.subject.operating_points[own_point] if reference.subject and own_point is not None else None
    )
    own = reference.own_baseline if subject else 0.0
    yield Expected("own_baseline", "subject", own)
    yield Expected("confidence", "population", population.confidence)
    if subject:
        yield Expected("confidence", "subject", subject.confidence)
    parts = [(population, 1 - own), *([(subject, own)] if subject else [])]
    if not own_min_confidence:
        low = sum(answers.low_confidence * weight for answers, weight in parts)
        yield Expected("abstention", "low-confidence", low)
    for emotion in population.emotion_mix:
        ratio = sum(answers.emotion_mix[emotion] * weight for answers, weight in parts)
        yield Expected("emotion_mix", emotion, ratio)
    for region in population.region_share:
        ratio = sum(answers.region_share[region] * weight for answers, weight in parts)
        yield Expected("region_share", region, ratio)
