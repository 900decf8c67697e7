"""`mien classify`: landmarks in, explained emotion events out.

What has arrived is classified as one batch: check → each subject's neutral face → stack → one ONNX run, which
gives probabilities and attributions → abstain or name the emotion → send. A few frames of each subject are
compared with the population's neutral face too: they tell whether the face is at rest, and so the subject's
own neutral face is learnt (``workers.stages.neutral_face_cache``, ``models.emotion.neutral_face``).
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.emotion import abstention, explanation, model_reference
from models.emotion.classifier import Classification, Classifier
from models.emotion.operating_points import OperatingPoint
from models.emotion.probabilities import with_bias
from models.faces.canonical import COARSE_REGIONS, REGION
from streams import metrics
from streams.errors import InputRefused, SettingsInvalid, WrongLandmarkSet
from streams.messages import emotion_event, landmarks_message
from streams.messages.emotion_event import (
    AttributedLandmark,
    Emotion,
    EmotionEvent,
    Explanation,
    FacialAction,
    Model,
    Probabilities,
)
from streams.messages.frame_message import PROBE_CAMERA
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from streams.store.neutral_face_store import NeutralFaceStore
from streams.telemetry import tracing
from streams.telemetry.spans import Span, frame_attributes
from streams.telemetry.trace_context import sampled_trace_id
from workers import model_loading
from workers.stages import stage
from workers.stages.handler import Handler, Message
from workers.stages.neutral_face_cache import NeutralFaceCache
from workers.stages.outlet import Outlet

NAME = "classify"

# Looked up once: a lookup costs about as much as the measurement itself, and a batch may be one face.
_decode_duration = metrics.stage_duration_seconds.labels(NAME, "decode")
_baselines_duration = metrics.stage_duration_seconds.labels(NAME, "baselines")
_classify_duration = metrics.stage_duration_seconds.labels(NAME, "classify")
_explain_duration = metrics.stage_duration_seconds.labels(NAME, "explain")
_learn_duration = metrics.stage_duration_seconds.labels(NAME, "learn")
_deliver_duration = metrics.stage_duration_seconds.labels(NAME, "deliver")
_region_share = {region: metrics.region_share_total.labels(region) for region in COARSE_REGIONS}
_confidence = {
    "subject": metrics.confidence.labels("subject"),
    "population": metrics.confidence.labels("population"),
}


def run(settings: Settings) -> None:
    """Runs the stage until it is told to stop."""
    stage.run(
        settings,
        NAME,
        settings.topics.landmarks,
        partial(open_handler, settings),
        batch_max=settings.classify_batch_max,
    )


@asynccontextmanager
async def open_handler(settings: Settings, outlet: Outlet) -> AsyncIterator[Handler]:
    """Loads the model, connects to Redis where own neutral faces are wanted, and gives the handler."""
    classifier = model_loading.load_classifier(settings)
    async with _neutral_faces(settings, classifier) as neutral_faces:
        worker = ClassifyWorker(settings, outlet, classifier, neutral_faces)
        _tell_model(classifier, settings)
        yield worker.handle


@asynccontextmanager
async def _neutral_faces(
    settings: Settings, classifier: Classifier
) -> AsyncIterator[NeutralFaceCache | None]:
    if not settings.own_neutral:
        yield None
        return
    async with NeutralFaceStore.connect(settings) as store:
        neutral_faces = NeutralFaceCache(store, settings, classifier.landmark_set)
        async with neutral_faces.writing():
            yield neutral_faces


def _tell_model(classifier: Classifier, settings: Settings) -> None:
    """Says in the metrics which model it is, and what to expect of its answers."""
    metrics.model_info.clear()  # a process has one
    metrics.model_info.labels(classifier.name, classifier.version, classifier.landmark_set.id).set(1)
    metrics.reference_ratio.clear()
    reference = model_loading.load_reference(settings, classifier)
    if reference is None:
        return
    for each in model_reference.expected(
        reference,
        settings.operating_point,
        settings.own_operating_point if settings.own_neutral else None,
        own_min_confidence=settings.min_confidence is not None,
    ):
        metrics.reference_ratio.labels(each.measure, each.value).set(each.ratio)


class Face(NamedTuple):
    """A checked message."""

    landmarks: Landmarks
    points: NDArray[np.float32]  # [K, 3]


class Classified(NamedTuple):
    """One event a face, and for some faces the probabilities against the population's neutral face.

    These are without the operating point's bias: whether a face is at rest does not depend on how often an
    emotion is to be named.
    """

    events: list[EmotionEvent]
    population_probabilities: dict[int, NDArray[np.float32]]  # place of the face → [8]


class ClassifyWorker:
    """The stage's handler. Without `neutral_faces`, every face is compared with the population's."""

    def __init__(
        self,
        settings: Settings,
        outlet: Outlet,
        classifier: Classifier,
        neutral_faces: NeutralFaceCache | None = None,
    ) -> None:
        self._settings = settings
        self._outlet = outlet
        self._events = EventMaker(classifier, settings)
        self._neutral_faces = neutral_faces

    async def handle(self, batch: Sequence[Message]) -> None:
        faces: list[Face] = []
        with _decode_duration.time():
            for message in batch:
                try:
                    faces.append(self._events.check(landmarks_message.decode(message.value)))
                except InputRefused as exc:
                    await self._outlet.refuse(message, exc)
        if not faces:
            return
        metrics.batch_size.observe(len(faces))
        spans = [_span_of(face.landmarks) for face in faces]
        events = await self._classify(faces)
        with _deliver_duration.time():
            deliveries = []
            for span, event in zip(spans, events, strict=True):
                key, value, headers = emotion_event.encode(event, span.traceparent)
                deliveries.append(
                    await self._outlet.send(self._settings.topics.emotions, key, value, headers)
                )
            await asyncio.gather(*deliveries)
        observe(events, [span.traceparent for span in spans])
        for span in spans:
            span.end()

    async def _classify(self, faces: Sequence[Face]) -> list[EmotionEvent]:
        if self._neutral_faces is None:
            return self._events.of(faces)
        with _baselines_duration.time():
            own = await self._neutral_faces.of([face.landmarks.subject_id for face in faces])
            due = self._neutral_faces.due(
                (face.landmarks.subject_id, face.landmarks.captured_at_us) for face in faces
            )
        events, population = self._events.against(faces, own, due)
        with _learn_duration.time():
            for place, probabilities in population.items():
                face = faces[place]
                self._neutral_faces.learn(
                    face.landmarks.subject_id,
                    face.points,
                    probabilities,
                    face.landmarks.captured_at_us,
                    usable=self._events.usable(face),
                )
        return events


class EventMaker:
    """Makes one event of each face: classified, explained, and abstained from where it must be.

    Raises:
        SettingsInvalid: if the model has no such operating point.
    """

    def __init__(self, classifier: Classifier, settings: Settings) -> None:
        self._classifier = classifier
        self._model = Model(classifier.name, classifier.version, classifier.landmark_set.id)
        self._index_and_region = [(i, REGION[i]) for i in classifier.landmark_set.indices.tolist()]
        self._top = settings.explanation_landmarks
        population, own = _operating_points(classifier, settings)
        self._bias, self._own_bias = population.bias, own.bias
        self._limits, self._own_limits = (
            abstention.Limits(
                min_confidence=point.min_confidence
                if settings.min_confidence is None
                else settings.min_confidence,
                min_inter_ocular_px=settings.min_inter_ocular_px,
                max_yaw_deg=settings.max_yaw_deg,
                max_pitch_deg=settings.max_pitch_deg,
                min_sharpness=settings.min_sharpness,
                min_visible=settings.min_visible,
            )
            for point in (population, own)
        )

    def check(self, message: Landmarks) -> Face:
        """Unpacks the points of a message, if the model can use them.

        Raises:
            WrongLandmarkSet: if the points are others than those that the model was trained on.
            BadMessage: if there are not as many points as the set has, or some are not finite.
        """
        mine = self._classifier.landmark_set
        if message.landmark_set != mine.id:
            raise WrongLandmarkSet(
                f"Landmarks of set {message.landmark_set[:80]!r}, but the model {self._classifier.name} "
                f"({self._classifier.version}) takes {mine.id!r}. Run the same release in both stages."
            )
        return Face(message, landmarks_message.unpack_points(message, len(mine.indices)))

    def of(self, faces: Sequence[Face]) -> list[EmotionEvent]:
        """One event a face, in the same order, compared with the population's neutral face."""
        return self.against(faces, [None] * len(faces), ()).events

    def against(
        self, faces: Sequence[Face], own: Sequence[NDArray[np.float32] | None], due: Collection[int]
    ) -> Classified:
        """One event a face, in the same order, compared with the subject's own neutral face [K, 3] where
        there is one; and the probabilities of the faces at the places `due` against the population's.
        """
        b, population = len(faces), self._classifier.population_baseline
        again = [place for place in due if own[place] is not None]
        points = np.array([face.points for face in faces] + [faces[place].points for place in again])
        neutral_faces = np.array(
            [population if mine is None else mine for mine in own] + [population] * len(again)
        )
        with _classify_duration.time():
            classified = self._classifier.classify(
                points,
                neutral_faces,
                self._bias,
                own=np.array([mine is not None for mine in own] + [False] * len(again)),
                own_bias=self._own_bias,
            )
        with _explain_duration.time():
            answers = self._answers(
                points[:b], neutral_faces[:b], [mine is not None for mine in own], classified
            )
            events = [self._event(*each) for each in zip(faces, answers, strict=True)]
        if not due:
            return Classified(events, {})
        rows = {place: place for place in due} | {p: row for row, p in enumerate(again, start=b)}
        unbiased = with_bias(classified.probabilities[list(rows.values())], -self._bias)
        return Classified(events, dict(zip(rows, unbiased, strict=True)))

    def usable(self, face: Face) -> bool:
        """Whether the picture is good enough, whatever the model thinks of it."""
        return self._abstention(face, self._limits, confidence=1.0) is None

    def _abstention(
        self, face: Face, limits: abstention.Limits, confidence: float
    ) -> abstention.Reason | None:
        message = face.landmarks
        return abstention.reason(
            limits,
            confidence=confidence,
            inter_ocular_px=message.quality.inter_ocular_px,
            yaw_deg=message.pose.yaw,
            pitch_deg=message.pose.pitch,
            sharpness=message.quality.sharpness,
            visible=message.quality.visible,
        )

    def _answers(
        self,
        points: NDArray[np.float32],
        neutral_faces: NDArray[np.float32],
        own: Sequence[bool],
        classified: Classification,
    ) -> "list[_Answer]":
        """What the model says of each face; `classified` may have more rows, after theirs."""
        b = len(points)
        targets = [emotion_event.EMOTIONS[target] for target in classified.target[:b].tolist()]
        whys = explanation.explain(
            self._classifier.landmark_set,
            classified.attributions[:b],
            points,
            neutral_faces,
            targets,
            own,
            top=self._top,
        )
        each = zip(
            targets,
            own,
            _rounded(classified.probabilities[:b]),
            _rounded(classified.attributions[:b]),
            classified.score_change[:b].tolist(),
            classified.completeness_error[:b].tolist(),
            whys,
            strict=True,
        )
        return [_Answer(*one) for one in each]

    def _event(self, face: Face, answer: "_Answer") -> EmotionEvent:
        message, why = face.landmarks, answer.why
        probabilities = Probabilities(*answer.probabilities)
        confidence: float = getattr(probabilities, answer.target)
        limits = self._own_limits if answer.own_neutral_face else self._limits
        abstained = self._abstention(face, limits, confidence)
        return EmotionEvent(
            event_id=emotion_event.event_id(
                message.camera_id, message.run, message.frame_seq, message.subject_id
            ),
            camera_id=message.camera_id,
            subject_id=message.subject_id,
            frame_seq=message.frame_seq,
            captured_at=emotion_event.time_of(message.captured_at_us),
            face=message.face,
            pose=message.pose,
            emotion=None if abstained else answer.target,
            confidence=confidence,
            abstained=abstained,
            probabilities=probabilities,
            explanation=Explanation(
                method="integrated-gradients",
                target=answer.target,
                baseline="subject" if answer.own_neutral_face else "population",
                score_change=answer.score_change,
                completeness_error=answer.completeness_error,
                landmarks=[
                    AttributedLandmark(*self._index_and_region[place], answer.attributions[place])
                    for place in why.strongest
                ],
                regions=why.regions,
                text=why.text,
                attributions=answer.attributions,
                actions=[
                    FacialAction(name, au, round(strength, 3), round(share, 6))
                    for name, au, strength, share in why.actions
                ],
            ),
            model=self._model,
            run=message.run,
            source=message.source,
            still=message.still,
            quality=message.quality,
            picture=message.picture,
        )


class _Answer(NamedTuple):
    """What the model says of one face, for the event. Probabilities and attributions have six decimals."""

    target: Emotion
    own_neutral_face: bool
    probabilities: list[float]  # [8]
    attributions: list[float]  # [K]
    score_change: float
    completeness_error: float
    why: explanation.Explanation


def _rounded(values: NDArray[np.float32]) -> list[list[float]]:
    """The values as Python floats with six decimals."""
    rounded: list[list[float]] = values.astype(np.float64).round(6).tolist()
    return rounded


def _operating_points(classifier: Classifier, settings: Settings) -> tuple[OperatingPoint, OperatingPoint]:
    """Those of faces compared with the population's neutral face, and with the subject's own.

    One network does both where the model has no other, and then has one point for both.
    """
    population = _operating_point(
        classifier, "MIEN_OPERATING_POINT", settings.operating_point, classifier.operating_points
    )
    if not classifier.knows_own_neutral_faces:
        return population, population
    return population, _operating_point(
        classifier,
        "MIEN_OWN_OPERATING_POINT",
        settings.own_operating_point,
        classifier.own_operating_points,
    )


def _operating_point(
    classifier: Classifier, setting: str, name: str, points: Mapping[str, OperatingPoint]
) -> OperatingPoint:
    if name not in points:
        raise SettingsInvalid(
            f"{setting}={name}: the model {classifier.name} ({classifier.version}) has no such "
            f"operating point; it has {', '.join(points)}."
        )
    return points[name]


def _span_of(face: Landmarks) -> Span:
    about = frame_attributes(face.camera_id, face.run, face.frame_seq)
    return tracing.go_on(NAME, face.traceparent, about)


def observe(events: Sequence[EmotionEvent], traceparents: Sequence[str]) -> None:
    """Counts a batch of events in the metrics; of the probe only what says from which camera it is."""
    shares: dict[str, float] = {}
    for event, traceparent in zip(events, traceparents, strict=True):
        _observe(event, sampled_trace_id(traceparent))
        if event.camera_id != PROBE_CAMERA:
            for region, share in event.explanation.regions.items():
                shares[region] = shares.get(region, 0.0) + share
    for region, sum_ in shares.items():
        _region_share[region].inc(sum_)


def _observe(event: EmotionEvent, trace_id: str | None) -> None:
    why, is_probe = event.explanation, event.camera_id == PROBE_CAMERA
    metrics.completeness_error.observe(why.completeness_error)
    metrics.observe_frame_age(NAME, emotion_event.captured_at_us(event), event.source, trace_id)
    metrics.baselines_total.labels(event.camera_id, why.baseline).inc()
    if event.abstained in (None, "low-confidence") and not is_probe:  # else it is that of a bad picture
        _confidence[why.baseline].observe(event.confidence)
    if event.abstained:
        metrics.abstentions_total.labels(event.camera_id, event.abstained).inc()
        return
    metrics.emotions_total.labels(event.camera_id, event.emotion).inc()
    if why.regions and not is_probe:  # none if the face is the baseline itself
        region = max(why.regions, key=why.regions.__getitem__)
        metrics.explaining_region_total.labels(event.emotion, region).inc()
