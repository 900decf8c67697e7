"""Where the answer breaks: degraded pictures of a face against the same face undegraded.

There is no truth in here, only agreement: a face whose undegraded picture gets a sure answer is shown again,
smaller, blurred or turned. If it then gets a sure answer at all, it must be the same one; an unsure one is
not given anyway (`low-confidence`). The limit of a quality measure is where the share of same answers among
those given falls below what is asked for. Everything is read the way the landmarks worker reads it:
`engine.find_faces`, `align`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64, Picture
from models.emotion.classifier import Classifier
from models.emotion.operating_points import OWN
from models.faces import align
from models.faces.engine import DetectedFace, FaceEngine, find_faces, iou
from models.faces.head_pose import pose_deg
from models.faces.quality import inter_ocular_px
from models.judging import degrade
from models.judging.head_turn import turned

Measure = Literal["inter_ocular_px", "sharpness", "yaw_deg", "pitch_deg"]

REFERENCE_PX: Final = 100.0
"""Inter-ocular distance that larger faces are brought to; the mesh's crop shows no more detail than this."""
MIN_REFERENCE_PX: Final = 48.0
"""Smaller faces are degraded already, so they are no reference."""
MAX_REFERENCE_DEG: Final = 20.0
"""A face turned further is not turned again."""
_MARGIN: Final = 0.8  # of the face's longer side, kept around it
_BLOCK_OFFSETS_PX: Final = ((0, 0), (4, 0), (0, 4), (4, 4))  # columns, rows; JPEG's blocks are 8x8
_SAME_PLACE_IOU: Final = 0.2  # a turned face moves, so this is loose


class Reading(NamedTuple):
    """What the chain makes of one face in one picture. K points in the classifier's set."""

    emotion: int
    confidence: float
    points: F32  # [468, 3], aligned, in inter-ocular distances
    attributions: F32  # [K]
    inter_ocular_px: float
    sharpness: float
    yaw_deg: float
    pitch_deg: float


class Subject(NamedTuple):
    """One face that is degraded: its part of a picture, and what is read there undegraded."""

    name: str
    picture: Picture
    landmarks_px: F32  # [468, 3]
    box_xyxy_px: F32
    reading: Reading
    own_neutral: F32 | None = None  # [K, 3] that it is compared with; None: everybody's


class Degradation(NamedTuple):
    """A way to make a picture worse, in levels."""

    name: str
    unit: str
    levels: tuple[float, ...]  # mildest first
    apply: Callable[[Subject, float, int], Picture]  # (subject, level, its number)
    decides: Measure | None = None  # which limit it is evidence for


class Trial(NamedTuple):
    """One subject under one degradation; without a reading the face was not found again."""

    subject: int
    degradation: str
    level: float
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """All subjects at one level. None where no face was found again, or no answer given."""

    degradation: str
    level: float
    unit: str
    faces: int
    found: float  # share of the faces
    same: float | None  # share of those found with the emotion of the undegraded picture
    given: float | None  # share of those found whose answer is sure enough to be given
    same_given: float | None  # share of those given with the emotion of the undegraded picture
    confidence_change: float | None
    displacement: float | None  # of a landmark after alignment, in inter-ocular distances
    inter_ocular_px: float | None  # median, as the next three
    sharpness: float | None
    yaw_deg: float | None  # without its sign, as pitch
    pitch_deg: float | None


@dataclass(frozen=True, slots=True)
class Limit:
    """Where agreement falls below the share asked for."""

    measure: Measure
    breaks: Literal["inside", "nowhere", "everywhere"]  # … of the range that was measured
    value: float | None  # the limit, if it breaks inside
    low: float  # 5 % and 95 % quantile of the limit when the faces are drawn anew (bootstrap); where it
    high: float  # breaks nowhere or everywhere for a draw, the end of the range stands for its limit
    worst_measured: float
    best_measured: float
    trials: int


@dataclass(frozen=True, slots=True)
class JpegAgreement:
    """The same picture at two JPEG qualities."""

    faces_at: str  # how large the faces were
    faces: int
    pictures: int  # of these faces: each lies at several places of JPEG's 8x8 blocks
    same: float | None  # share of all pictures with the same emotion at both
    same_given: float | None  # … of those whose answer is sure enough to be given at both
    attribution_pearson: float | None  # mean over pictures of the same emotion
    attribution_spearman: float | None
    displacement: float | None


def _io(subject: Subject) -> float:
    return subject.reading.inter_ocular_px


DEGRADATIONS: Final = (
    Degradation(
        "small",
        "px",
        (48, 32, 24, 20, 16, 12, 10, 8, 6),
        lambda s, px, _: degrade.shrunk(s.picture, min(1.0, px / _io(s))),
        "inter_ocular_px",
    ),
    Degradation(
        "enlarged",
        "px",
        (32, 24, 16, 12, 8, 6),
        lambda s, px, _: degrade.enlarged_from(s.picture, min(1.0, px / _io(s))),
        "sharpness",
    ),
    Degradation(
        "out of focus",
        "of the eyes' distance",
        (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1),
        lambda s, share, _: degrade.out_of_focus(s.picture, share * _io(s)),
        "sharpness",
    ),
    Degradation(
        "moved",
        "of the eyes' distance",
        (0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
        lambda s, share, number: degrade.moved(s.picture, share * _io(s), 45.0 * (number % 4)),
        "sharpness",
    ),
    Degradation(
        "JPEG", "quality", (60, 40, 25, 15, 8), lambda s, q, _: degrade.compressed(s.picture, int(q))
    ),
    Degradation("noise", "grey levels", (8, 16, 32), lambda s, std, n: degrade.noisy(s.picture, std, n)),
    Degradation("dark", "gain", (0.5, 0.25, 0.12), lambda s, gain, _: degrade.lit(s.picture, gain=gain)),
    Degradation("overexposed", "gain", (1.5, 2.5), lambda s, gain, _: degrade.lit(s.picture, gain=gain)),
    Degradation("flat", "contrast", (0.5, 0.25, 0.12), lambda s, c, _: degrade.lit(s.picture, contrast=c)),
    Degradation(
        "turned aside",
        "° further",
        (10, -10, 20, -20, 30, -30, 40, -40, 50, -50),
        lambda s, deg, _: turned(s.picture, s.landmarks_px, yaw_deg=deg),
        "yaw_deg",
    ),
    Degradation(
        "turned up or down",
        "° further",
        (10, -10, 20, -20, 30, -30, 40, -40),
        lambda s, deg, _: turned(s.picture, s.landmarks_px, pitch_deg=deg),
        "pitch_deg",
    ),
)


def read(
    engine: FaceEngine,
    classifier: Classifier,
    picture_rgb: Picture,
    box_xyxy_px: F32,
    own_neutral: F32 | None = None,
) -> tuple[DetectedFace, Reading] | None:
    """The face of a picture that lies where ``box_xyxy_px`` [4] is; None if none does.

    With ``own_neutral`` [K, 3] the network for own neutral faces answers, at the point ``own``.
    """
    found = find_faces(engine, picture_rgb)
    face = max(found, key=lambda f: iou(f.box_xyxy_px, box_xyxy_px), default=None)
    if face is None or iou(face.box_xyxy_px, box_xyxy_px) < _SAME_PLACE_IOU:
        return None
    aligned = align.align(face.landmarks_px[None])
    yaw, pitch, _ = pose_deg(aligned.rotation)[0].tolist()
    points = classifier.landmark_set.take(aligned.points)
    if own_neutral is None:
        answer = classifier.classify(points)
    else:
        own_bias = classifier.own_operating_points[OWN].bias
        answer = classifier.classify(points, own_neutral[None], own=np.array([True]), own_bias=own_bias)
    return face, Reading(
        emotion=int(answer.target[0]),
        confidence=float(answer.probabilities[0].max()),
        points=aligned.points[0],
        attributions=answer.attributions[0],
        inter_ocular_px=inter_ocular_px(face.landmarks_px),
        sharpness=face.sharpness,
        yaw_deg=yaw,
        pitch_deg=pitch,
    )


def subjects(
    engine: FaceEngine,
    classifier: Classifier,
    picture_rgb: Picture,
    name: str,
    own_neutral: F32 | None = None,
) -> list[Subject]:
    """The faces of a picture that can serve as references, each cut out with its surroundings;
    ``own_neutral`` as for `read`, of all of them."""
    cut = (
        _cut_out(engine, classifier, picture_rgb, face, name, own_neutral)
        for face in find_faces(engine, picture_rgb)
        if inter_ocular_px(face.landmarks_px) >= MIN_REFERENCE_PX
    )
    return [subject for subject in cut if subject is not None]


def _cut_out(
    engine: FaceEngine,
    classifier: Classifier,
    picture_rgb: Picture,
    face: DetectedFace,
    name: str,
    own_neutral: F32 | None,
) -> Subject | None:
    x0, y0, x1, y1 = face.box_xyxy_px.tolist()
    margin = _MARGIN * max(x1 - x0, y1 - y0)
    left, top = max(0, round(x0 - margin)), max(0, round(y0 - margin))
    part = picture_rgb[top : round(y1 + margin), left : round(x1 + margin)]
    scale = min(1.0, REFERENCE_PX / inter_ocular_px(face.landmarks_px))
    part = degrade.shrunk(part, scale)
    there = (face.box_xyxy_px - np.array([left, top, left, top])) * scale
    again = read(engine, classifier, part, there.astype(np.float32), own_neutral)
    return again and Subject(name, part, again[0].landmarks_px, again[0].box_xyxy_px, again[1], own_neutral)


def trials(
    engine: FaceEngine,
    classifier: Classifier,
    chosen: Sequence[Subject],
    degradations: Sequence[Degradation] = DEGRADATIONS,
) -> Iterator[Trial]:
    """Each subject under each level of each degradation, in that order; the slow part."""
    for number, subject in enumerate(chosen):
        for degradation in degradations:
            if degradation.decides in ("yaw_deg", "pitch_deg") and _turned_already(subject.reading):
                continue
            for level in degradation.levels:
                picture = degradation.apply(subject, level, number)
                scale = picture.shape[1] / subject.picture.shape[1]
                there = (subject.box_xyxy_px * scale).astype(np.float32)
                again = read(engine, classifier, picture, there, subject.own_neutral)
                yield Trial(number, degradation.name, level, again and again[1])


def _turned_already(reading: Reading) -> bool:
    return max(abs(reading.yaw_deg), abs(reading.pitch_deg)) > MAX_REFERENCE_DEG


def summarise(
    chosen: Sequence[Subject],
    done: Sequence[Trial],
    min_confidence: float,
    degradations: Sequence[Degradation] = DEGRADATIONS,
) -> list[LevelSummary]:
    """One row a level, in the order of the degradations; answers below ``min_confidence`` are not given."""
    rows = []
    for degradation in degradations:
        for level in degradation.levels:
            here = [t for t in done if t[1:3] == (degradation.name, level)]
            pairs = [(chosen[t.subject].reading, t.reading) for t in here if t.reading is not None]
            if here:
                rows.append(_summary(degradation, level, len(here), pairs, min_confidence))
    return rows


def _summary(
    degradation: Degradation,
    level: float,
    faces: int,
    pairs: list[tuple[Reading, Reading]],
    min_confidence: float,
) -> LevelSummary:
    given = [(before, now) for before, now in pairs if now.confidence >= min_confidence]

    def middle(measure: Measure) -> float | None:
        return float(np.median([abs(getattr(now, measure)) for _, now in pairs])) if pairs else None

    return LevelSummary(
        degradation.name,
        level,
        degradation.unit,
        faces,
        len(pairs) / faces,
        _mean([before.emotion == now.emotion for before, now in pairs]),
        len(given) / len(pairs) if pairs else None,
        _mean([before.emotion == now.emotion for before, now in given]),
        _mean([now.confidence - before.confidence for before, now in pairs]),
        _mean([_displacement(before, now) for before, now in pairs]),
        middle("inter_ocular_px"),
        middle("sharpness"),
        middle("yaw_deg"),
        middle("pitch_deg"),
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _displacement(a: Reading, b: Reading) -> float:
    return float(np.linalg.norm(a.points - b.points, axis=1).mean())


class Evidence(NamedTuple):
    """N given answers that decide one limit."""

    quality: F64  # [N], the measure
    same: NDArray[np.bool_]  # [N]
    subject: NDArray[np.int64]  # [N]


def evidence(
    measure: Measure,
    chosen: Sequence[Subject],
    done: Sequence[Trial],
    min_confidence: float,
    degradations: Sequence[Degradation] = DEGRADATIONS,
) -> Evidence:
    """The trials for one measure that gave an answer (``min_confidence``); angles without their sign."""
    deciding = {d.name for d in degradations if d.decides == measure}
    rows = [
        (abs(getattr(t.reading, measure)), t.reading.emotion == chosen[t.subject].reading.emotion, t.subject)
        for t in done
        if t.degradation in deciding and t.reading is not None and t.reading.confidence >= min_confidence
    ]
    q, same, subject = zip(*rows, strict=True) if rows else ((), (), ())
    return Evidence(np.array(q, float), np.array(same, bool), np.array(subject, int))


def limit(
    measure: Measure, found: Evidence, share: float, *, draws: int = 200, seed: int = 0
) -> Limit | None:
    """The limit of one measure, None without trials; ``draws`` bootstrap samples of whole subjects."""
    if not len(found.quality):
        return None
    sign = -1.0 if measure in ("yaw_deg", "pitch_deg") else 1.0
    better = sign * found.quality  # larger is better
    worst, best = float(better.min()), float(better.max())
    point = breaking_point(better, found.same, share)
    of_subject = [np.flatnonzero(found.subject == s) for s in np.unique(found.subject)]
    rng = np.random.default_rng(seed)
    points = []
    for _ in range(draws):
        drawn = np.concatenate([of_subject[i] for i in rng.integers(0, len(of_subject), len(of_subject))])
        points.append(min(max(breaking_point(better[drawn], found.same[drawn], share), worst), best))
    low, high = sorted((sign * np.quantile(points, [0.05, 0.95])).tolist())
    return Limit(
        measure,
        "inside" if np.isfinite(point) else "nowhere" if point < 0 else "everywhere",
        sign * point if np.isfinite(point) else None,
        low,
        high,
        sign * worst,
        sign * best,
        len(better),
    )


def breaking_point(better_is_larger: F64, same: NDArray[np.bool_], share: float) -> float:
    """The least quality [N] from which on at least ``share`` of the answers stay the same.

    By isotonic regression of ``same`` [N] on the quality, so no bins are chosen: the limit is where the best
    rising curve reaches ``share``. -inf if that curve never lies below it, inf if it never reaches it.
    """
    order = np.argsort(better_is_larger, kind="stable")
    reached = np.flatnonzero(isotonic(same[order].astype(float)) >= share - 1e-12)
    if not len(reached):
        return float("inf")
    return float(better_is_larger[order][reached[0]]) if reached[0] else float("-inf")


def isotonic(values: F64) -> F64:
    """The rising sequence [N] closest to ``values`` [N]: pool adjacent violators (Ayer et al., 1955)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2:] = [(means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size]
            sizes[-2:] = [size]
    return np.repeat(means, sizes)


def compare_jpeg(
    engine: FaceEngine,
    classifier: Classifier,
    chosen: Sequence[Subject],
    at_px: float | None,
    min_confidence: float,
    qualities: tuple[int, int] = (95, 60),
) -> JpegAgreement:
    """Both JPEG qualities of every subject, shrunk to ``at_px`` between the eyes if that is smaller.

    Where the block borders fall decides what is lost, and is chance. So each picture is compressed four
    times, with up to four columns and rows cut off.
    """
    pairs: list[tuple[Reading, Reading]] = []
    faces = 0
    for subject in chosen:
        scale = min(1.0, at_px / _io(subject)) if at_px else 1.0
        whole = degrade.shrunk(subject.picture, scale)
        before = len(pairs)
        for left, top in _BLOCK_OFFSETS_PX:
            picture = np.ascontiguousarray(whole[top:, left:])
            there = (subject.box_xyxy_px * scale - [left, top, left, top]).astype(np.float32)
            a, b = (
                read(engine, classifier, degrade.compressed(picture, q), there, subject.own_neutral)
                for q in qualities
            )
            if a and b:
                pairs.append((a[1], b[1]))
        faces += len(pairs) > before
    same = [(a, b) for a, b in pairs if a.emotion == b.emotion]
    sure = [p for p in pairs if min(p[0].confidence, p[1].confidence) >= min_confidence]
    return JpegAgreement(
        f"{at_px:.0f} px" if at_px else "as they are",
        faces,
        len(pairs),
        _mean([a.emotion == b.emotion for a, b in pairs]),
        _mean([a.emotion == b.emotion for a, b in sure]),
        _mean([_pearson(a.attributions, b.attributions) for a, b in same]),
        _mean([_pearson(_ranks(a.attributions), _ranks(b.attributions)) for a, b in same]),
        _mean([_displacement(a, b) for a, b in pairs]),
    )


def _pearson(a: F32, b: F32) -> float:
    return float(np.corrcoef(a.astype(float), b.astype(float))[0, 1])


def _ranks(values: F32) -> F32:
    return values.argsort().argsort().astype(np.float32)
