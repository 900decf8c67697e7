"""`mien classify` with the shipped model: what an event says, and what is refused."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
import redis
from aiokafka.errors import KafkaTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from models.emotion import model_reference
from models.emotion.classifier import SHIPPED, Classifier
from models.emotion.operating_points import OperatingPoint
from models.faces.align import align
from models.faces.canonical import CANONICAL, COARSE_REGIONS, REGION
from models.staged.head_warp import load_shapes
from streams import metrics
from streams.errors import RedisUnavailable, SettingsInvalid
from streams.messages import emotion_event, landmarks_message, schemas
from streams.messages.emotion_event import EMOTIONS, EmotionEvent
from streams.messages.landmarks_message import Landmarks, PictureSize, Pose, Quality
from streams.settings import Settings
from streams.store import neutral_face_store
from streams.store.neutral_face_store import NeutralFace
from workers.stages.classify import ClassifyWorker, EventMaker, open_handler
from workers.stages.handler import Message
from workers.stages.neutral_face_cache import NeutralFaceCache

CLASSIFIER = Classifier.load()
BASELINE = CLASSIFIER.population_baseline
T0_US = 1_764_000_000_000_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
Make = Callable[..., Landmarks]


def moved(seed: int, by: float = 0.03) -> np.ndarray:
    """The mean neutral face, its points moved a little: [K, 3]."""
    noise = np.random.default_rng(seed).normal(0, by, BASELINE.shape)
    return (BASELINE + noise).astype(np.float32)


@pytest.fixture
def face(make_landmarks: Make) -> Make:
    """A message for the shipped model."""

    def face(*, seed: int = 0, **changes: Any) -> Landmarks:
        ours = {
            "landmark_set": CLASSIFIER.landmark_set.id,
            "points": landmarks_message.pack_points(moved(seed)),
            "traceparent": TRACE,
        }
        return make_landmarks(**ours | changes)

    return face


def message(value: Landmarks | bytes | None, offset: int = 0) -> Message:
    packed = landmarks_message.encode(value) if isinstance(value, Landmarks) else value
    return Message(b"lobby-1", packed, [], "mien.landmarks", 0, offset)


@pytest.fixture
def worker(outlet: Any) -> ClassifyWorker:
    return ClassifyWorker(Settings(min_confidence=0.0), outlet, CLASSIFIER)


def published(outlet: Any) -> list[EmotionEvent]:
    return [emotion_event.decode(sent.value) for sent in outlet.sent]


def event_of(message: Landmarks, **changes: Any) -> EmotionEvent:
    maker = EventMaker(CLASSIFIER, Settings(**{"min_confidence": 0.0} | changes))
    (event,) = maker.of([maker.check(message)])
    return event


async def test_an_event_carries_what_its_landmarks_said(
    worker: ClassifyWorker, outlet: Any, face: Make
) -> None:
    sent = face(camera_id="yard", run=17, source="file", frame_seq=42, subject_id="yard:abcd")
    sent = msgspec.structs.replace(sent, picture=PictureSize(1280, 720, 1920))
    await worker.handle([message(sent)])

    (event,) = published(outlet)
    assert (event.camera_id, event.frame_seq, event.subject_id) == ("yard", 42, "yard:abcd")
    assert (event.run, event.source) == (17, "file")
    assert event.event_id == emotion_event.event_id("yard", 17, 42, "yard:abcd")
    assert emotion_event.captured_at_us(event) == sent.captured_at_us
    assert (event.face, event.pose) == (sent.face, sent.pose)
    assert (event.quality, event.picture) == (sent.quality, PictureSize(1280, 720, 1920))
    assert event.model.name == CLASSIFIER.name
    assert event.model.version == CLASSIFIER.version
    assert event.model.landmark_set == CLASSIFIER.landmark_set.id
    assert outlet.sent[0].topic.name == "mien.emotions"
    assert outlet.sent[0].key == b"yard:abcd"
    assert dict(outlet.sent[0].headers)["ce_traceparent"] == TRACE.encode()


async def test_every_event_validates_against_the_published_schema(
    worker: ClassifyWorker, outlet: Any, face: Make
) -> None:
    await worker.handle([message(face(seed=seed)) for seed in range(5)])
    schema = schemas.documents(Settings())["emotion.schema.json"]

    assert len(outlet.sent) == 5
    for sent in outlet.sent:
        jsonschema.Draft202012Validator(schema).validate(json.loads(sent.value))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0005, 0.01, 0.1, 1.0]))
def test_the_explanation_adds_up(make_landmarks: Make, seed: int, by: float) -> None:
    points = moved(seed, by)
    event = event_of(
        make_landmarks(landmark_set=CLASSIFIER.landmark_set.id, points=landmarks_message.pack_points(points))
    )
    why = event.explanation

    assert len(why.attributions) == len(CLASSIFIER.landmark_set)
    assert sum(why.attributions) == pytest.approx(why.score_change, abs=1e-3)
    assert why.completeness_error < 1e-3
    assert sum(why.regions.values()) == pytest.approx(1, abs=1e-6)
    assert set(why.regions) <= set(COARSE_REGIONS)
    assert sum(getattr(event.probabilities, name) for name in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_the_target_is_the_most_probable_emotion_and_its_share_the_confidence(face: Make) -> None:
    for seed in range(20):
        event = event_of(face(seed=seed))
        shares = {name: getattr(event.probabilities, name) for name in EMOTIONS}

        assert event.emotion == event.explanation.target == max(shares, key=shares.__getitem__)
        assert event.confidence == max(shares.values())


def test_the_emotions_are_in_the_models_order() -> None:
    assert CLASSIFIER.emotions == EMOTIONS


def test_the_listed_landmarks_are_the_strongest_with_their_own_numbers(face: Make) -> None:
    why = event_of(face(seed=3), explanation_landmarks=7).explanation
    indices = CLASSIFIER.landmark_set.indices.tolist()
    by_strength = sorted(range(len(indices)), key=lambda k: -abs(why.attributions[k]))[:7]

    assert [point.index for point in why.landmarks] == [indices[k] for k in by_strength]
    for k, point in zip(by_strength, why.landmarks, strict=True):
        assert point.attribution == pytest.approx(why.attributions[k], abs=1e-6)
        assert point.region == REGION[point.index]


def test_the_same_face_gives_the_same_event(face: Make) -> None:
    assert event_of(face(seed=1)) == event_of(face(seed=1))


async def test_a_batch_says_what_each_face_alone_says_in_order(
    worker: ClassifyWorker, outlet: Any, face: Make
) -> None:
    faces = [face(seed=seed, frame_seq=seed) for seed in range(8)]
    await worker.handle([message(one) for one in faces])

    for event, alone in zip(published(outlet), map(event_of, faces), strict=True):
        assert event.frame_seq == alone.frame_seq
        assert event.explanation.target == alone.explanation.target
        assert event.explanation.attributions == pytest.approx(alone.explanation.attributions, abs=1e-4)
        assert event.explanation.regions == pytest.approx(alone.explanation.regions, abs=1e-4)
        assert event.explanation.landmarks[0].index == alone.explanation.landmarks[0].index
        assert event.explanation.text == alone.explanation.text


def test_the_neutral_face_itself_has_nothing_to_explain(face: Make) -> None:
    event = event_of(face(points=landmarks_message.pack_points(BASELINE)))

    assert event.explanation.score_change == pytest.approx(0, abs=1e-5)
    assert event.explanation.regions == {}
    assert event.explanation.landmarks == []
    assert emotion_event.decode(emotion_event.encode(event)[1]) == event


@pytest.mark.parametrize("scale", [0.0, 1e-30, 0.1, 30.0])
def test_points_of_no_human_face_still_give_a_valid_event(face: Make, scale: float) -> None:
    points = (moved(0) * np.float32(scale)).astype(np.float32)
    event = event_of(face(points=landmarks_message.pack_points(points)))

    assert emotion_event.decode(emotion_event.encode(event)[1]) == event
    assert event.explanation.completeness_error < 1e-3


async def test_another_landmark_set_is_refused_and_the_others_are_published(
    worker: ClassifyWorker, outlet: Any, face: Make
) -> None:
    foreign = message(face(landmark_set="all468-000000000000"), offset=1)
    await worker.handle([message(face(frame_seq=1)), foreign, message(face(frame_seq=3))])

    assert [event.frame_seq for event in published(outlet)] == [1, 3]
    ((refused, error),) = outlet.refused
    assert refused == foreign
    assert error.reason == "wrong-landmark-set"
    assert "all468-000000000000" in str(error)
    assert CLASSIFIER.landmark_set.id in str(error)


@pytest.mark.parametrize(
    "points",
    [CANONICAL, CANONICAL[:0], np.full_like(BASELINE, np.nan), np.full_like(BASELINE, -1e38)],
    ids=["468 points", "none", "no numbers", "far away"],
)
async def test_wrong_points_are_refused_and_the_others_are_published(
    worker: ClassifyWorker, outlet: Any, face: Make, points: np.ndarray
) -> None:
    broken = face(points=landmarks_message.pack_points(points))
    await worker.handle([message(broken), message(face(frame_seq=2))])

    assert outlet.reasons == ["bad-message"]
    assert [event.frame_seq for event in published(outlet)] == [2]


@pytest.mark.parametrize("value", [None, b"", b"junk", b"\x80"])
async def test_what_is_no_landmarks_message_is_refused(
    worker: ClassifyWorker, outlet: Any, value: bytes | None
) -> None:
    await worker.handle([message(value)])

    assert outlet.reasons == ["bad-message"]
    assert outlet.sent == []


@pytest.mark.parametrize(
    ("changes", "chosen", "reason"),
    [
        ({}, {}, None),
        ({}, {"min_confidence": 1.0}, "low-confidence"),
        ({"quality": Quality(15.9, 0.05, 1.0)}, {}, "small-face"),
        ({"quality": Quality(15.9, 0.05, 1.0)}, {"min_inter_ocular_px": 10}, None),
        ({"quality": Quality(64.0, 0.0025, 1.0)}, {}, "blurred"),
        ({"quality": Quality(64.0, 0.0025, 1.0)}, {"min_sharpness": 0}, None),
        ({"pose": Pose(-21.1, 0, 0)}, {}, "extreme-pose"),
        ({"pose": Pose(0, 24.1, 0)}, {}, "extreme-pose"),
        ({"pose": Pose(0, 24.1, 0)}, {"max_pitch_deg": 60}, None),
        ({"quality": Quality(16.0, 0.0039, 1.0), "pose": Pose(21.0, -24.0, 0)}, {}, None),
        ({"pose": Pose(0, 0, 170.0)}, {}, None),
        ({"quality": Quality(64.0, 0.05, 1.0, 0.89)}, {}, "partial-face"),
        ({"quality": Quality(64.0, 0.05, 1.0, 0.89)}, {"min_visible": 0.5}, None),
    ],
    ids=str,
)
def test_abstentions(
    face: Make, changes: dict[str, Any], chosen: dict[str, float], reason: str | None
) -> None:
    event = event_of(face(**changes), **chosen)

    assert event.abstained == reason
    assert (event.emotion is None) is (reason is not None)
    assert event.explanation.target in EMOTIONS  # it is still explained


def test_without_a_setting_the_models_own_threshold_decides(face: Make) -> None:
    assert 0 < CLASSIFIER.min_confidence < 1
    events = [event_of(face(seed=seed), min_confidence=None) for seed in range(40)]

    assert {event.abstained for event in events} == {None, "low-confidence"}
    for event in events:
        assert (event.abstained is None) is (event.confidence >= CLASSIFIER.min_confidence)


BIAS = np.array([-2, -1, 0, 1, 1, 2, 3, 4], np.float32)
BIASED = replace(
    CLASSIFIER,
    operating_points={
        "accurate": CLASSIFIER.operating_points["accurate"],
        "balanced": OperatingPoint(BIAS, 0.7),
    },
)


def test_the_operating_point_moves_answer_explanation_and_threshold(face: Make) -> None:
    maker = EventMaker(BIASED, Settings(operating_point="balanced"))
    events = maker.of([maker.check(face(seed=seed)) for seed in range(40)])
    points = np.stack([moved(seed) for seed in range(40)])
    expected, plain = CLASSIFIER.classify(points, bias=BIAS), CLASSIFIER.classify(points)

    assert (expected.target != plain.target).any()
    assert {event.abstained for event in events} == {None, "low-confidence"}
    for row, event in enumerate(events):
        shares = [getattr(event.probabilities, name) for name in EMOTIONS]
        assert shares == pytest.approx(expected.probabilities[row].tolist(), abs=1e-5)
        assert event.explanation.target == EMOTIONS[expected.target[row]]
        assert event.explanation.attributions == pytest.approx(expected.attributions[row].tolist(), abs=1e-4)
        assert (event.abstained is None) is (event.confidence >= 0.7)


def test_the_default_operating_point_is_the_accurate_one(face: Make) -> None:
    maker = EventMaker(BIASED, Settings(min_confidence=0.0))

    for seed in range(5):
        assert maker.of([maker.check(face(seed=seed))]) == [event_of(face(seed=seed))]


def test_a_chosen_threshold_wins_over_the_operating_points(face: Make) -> None:
    maker = EventMaker(BIASED, Settings(operating_point="balanced", min_confidence=0.0))
    events = maker.of([maker.check(face(seed=seed)) for seed in range(40)])

    assert min(event.confidence for event in events) < 0.7
    assert {event.abstained for event in events} == {None}


async def test_an_operating_point_that_the_model_has_not_is_told_at_the_start(outlet: Any) -> None:
    with pytest.raises(SettingsInvalid, match=r"MIEN_OPERATING_POINT=brave: .* has accurate, balanced\."):
        async with open_handler(Settings(operating_point="brave", own_neutral=False), outlet):
            pass


async def test_an_own_operating_point_that_the_model_has_not_is_told_likewise(outlet: Any) -> None:
    with pytest.raises(SettingsInvalid, match=r"MIEN_OWN_OPERATING_POINT=brave: .* has own, watchful\."):
        async with open_handler(Settings(own_operating_point="brave", own_neutral=False), outlet):
            pass


def references() -> dict[tuple[str, str], float]:
    samples = metrics.reference_ratio.collect()[0].samples
    return {(sample.labels["measure"], sample.labels["value"]): sample.value for sample in samples}


@pytest.mark.parametrize("changes", [{}, {"operating_point": "balanced"}, {"min_confidence": 0.9}], ids=str)
async def test_what_to_expect_of_the_answers_is_told_with_them(changes: dict[str, Any], outlet: Any) -> None:
    chosen = Settings(own_neutral=False, **changes)
    async with open_handler(chosen, outlet):
        told = references()
    reference = model_reference.load(SHIPPED.with_name(model_reference.FILE), CLASSIFIER)
    answers = reference.population.operating_points[chosen.operating_point]

    assert told["confidence", "population"] == answers.confidence
    assert told["own_baseline", "subject"] == 0
    assert told.get(("abstention", "low-confidence")) == (
        None if changes.get("min_confidence") else answers.low_confidence
    )
    assert {value: ratio for (of, value), ratio in told.items() if of == "emotion_mix"} == answers.emotion_mix


async def test_a_model_without_a_reference_works_and_leaves_none_of_another(
    outlet: Any, tmp_path: Path
) -> None:
    for name in (SHIPPED.name, "landmark_set.json"):
        (tmp_path / name).write_bytes(SHIPPED.with_name(name).read_bytes())
    metrics.reference_ratio.labels("confidence", "population").set(0.5)
    metrics.model_info.labels("another", "0", "of-another").set(1)
    async with open_handler(Settings(own_neutral=False, model_path=tmp_path / SHIPPED.name), outlet):
        assert references() == {}
        (sample,) = metrics.model_info.collect()[0].samples
    assert sample.labels["version"] == CLASSIFIER.version


def test_each_network_has_its_operating_point_and_its_threshold(face: Make) -> None:
    """Whether a face is compared with its own neutral face decides, face by face."""
    points = CLASSIFIER.own_operating_points | {"watchful": OperatingPoint(BIAS, 0.95)}
    maker = EventMaker(replace(BIASED, own_operating_points=points), Settings(own_operating_point="watchful"))
    faces = [maker.check(face(seed=seed)) for seed in range(40)]
    own = [OWN if seed % 2 else None for seed in range(40)]
    events = maker.against(faces, own, due=()).events
    expected = CLASSIFIER.classify(
        np.stack([moved(seed) for seed in range(40)]),
        np.stack([BASELINE if mine is None else mine for mine in own]),
        own=np.arange(40) % 2 == 1,
        own_bias=BIAS,
    )
    for row, event in enumerate(events):
        shares = [getattr(event.probabilities, name) for name in EMOTIONS]
        assert shares == pytest.approx(expected.probabilities[row].tolist(), abs=1e-5)
        least = 0.95 if row % 2 else CLASSIFIER.min_confidence
        assert (event.abstained is None) is (event.confidence >= least)


def test_a_model_of_one_network_has_one_operating_point_for_all(face: Make) -> None:
    maker = EventMaker(
        replace(BIASED, own_operating_points={}), Settings(operating_point="balanced", min_confidence=0)
    )
    (event,) = maker.against([maker.check(face())], [OWN], due=()).events
    expected = CLASSIFIER.classify(moved(0)[None], OWN[None], BIAS)
    shares = [getattr(event.probabilities, name) for name in EMOTIONS]
    assert shares == pytest.approx(expected.probabilities[0].tolist(), abs=1e-5)
    assert event.explanation.baseline == "subject"


async def test_events_are_counted(worker: ClassifyWorker, outlet: Any, face: Make) -> None:
    small = Quality(1.0, 1.0, 1.0)
    faces = [face(camera_id="counted"), face(camera_id="counted", quality=small)]
    await worker.handle([message(one) for one in faces])
    named, abstained = published(outlet)

    assert metrics.emotions_total.labels("counted", named.emotion)._value.get() == 1
    assert metrics.abstentions_total.labels("counted", "small-face")._value.get() == 1
    assert abstained.emotion is None


class TableStore:
    """A store that knows these faces, or does not answer."""

    def __init__(self, faces: dict[str, NeutralFace] | None) -> None:
        self._faces = faces

    async def read(self, subject_ids: Sequence[str]) -> dict[str, NeutralFace]:
        if self._faces is None:
            raise RedisUnavailable("away")
        return {who: self._faces[who] for who in subject_ids if who in self._faces}


def portrait(*, smiles: bool) -> np.ndarray:
    """The demo's subject: [K, 3]; at rest half-way to everybody's face, where it is plainly neutral."""
    shapes = load_shapes()
    mesh_px = shapes.landmarks_px.copy()
    if not smiles:
        mesh_px[:, :2] = shapes.rest_px
    points = CLASSIFIER.landmark_set.take(align(mesh_px[None]).points)[0]
    return points if smiles else (points + BASELINE) / 2


OWN, SMILE = portrait(smiles=False), portrait(smiles=True)
KNOWN = neutral_face_store.pack(CLASSIFIER.landmark_set.id, OWN, 30.0, 3, 1)


def with_neutral_faces(outlet: Any, faces: dict[str, NeutralFace] | None) -> ClassifyWorker:
    chosen = Settings(min_confidence=0.0)
    cache = NeutralFaceCache(TableStore(faces), chosen, CLASSIFIER.landmark_set)  # type: ignore[arg-type]
    return ClassifyWorker(chosen, outlet, CLASSIFIER, cache)


async def test_each_subject_is_compared_with_its_own_neutral_face_if_it_is_known(
    outlet: Any, face: Make
) -> None:
    worker = with_neutral_faces(outlet, {"yard:known": KNOWN})
    faces = [face(seed=seed, subject_id=f"yard:{who}") for seed, who in enumerate(["new", "known", "new"])]
    before = metrics.baselines_total.labels("yard", "subject")._value.get()
    await worker.handle([message(msgspec.structs.replace(one, camera_id="yard")) for one in faces])
    events = published(outlet)

    assert [event.explanation.baseline for event in events] == ["population", "subject", "population"]
    expected = CLASSIFIER.classify(
        np.stack([moved(seed) for seed in range(3)]),
        np.stack([BASELINE, OWN, BASELINE]),
        own=np.array([False, True, False]),
        own_bias=CLASSIFIER.own_operating_points["own"].bias,
    )
    for row, event in enumerate(events):
        shares = [getattr(event.probabilities, name) for name in EMOTIONS]
        assert shares == pytest.approx(expected.probabilities[row].tolist(), abs=1e-5)
        assert event.explanation.score_change == pytest.approx(expected.score_change[row], abs=1e-3)
        assert event.explanation.attributions == pytest.approx(expected.attributions[row].tolist(), abs=1e-4)
    assert metrics.baselines_total.labels("yard", "subject")._value.get() == before + 1


async def test_the_words_speak_of_the_change_from_the_own_face(outlet: Any, face: Make) -> None:
    worker = with_neutral_faces(outlet, {"yard:known": KNOWN})
    await worker.handle([message(face(subject_id="yard:known", points=landmarks_message.pack_points(OWN)))])
    (event,) = published(outlet)

    assert event.explanation.score_change == pytest.approx(0, abs=1e-5)
    assert event.explanation.regions == {}


def at_rest(face: Make, frame: int, points: np.ndarray = OWN, **changes: Any) -> Message:
    """A frame of 10 a second."""
    ours = {
        "frame_seq": frame,
        "captured_at_us": T0_US + frame * 100_000,
        "subject_id": "yard:new",
        "points": landmarks_message.pack_points(points),
    }
    return message(face(**ours | changes))


@pytest.mark.parametrize("batch", [1, 7, 64])
async def test_a_face_at_rest_gets_its_own_neutral_face_whatever_the_batches(
    outlet: Any, face: Make, batch: int
) -> None:
    assert CLASSIFIER.classify(OWN[None]).probabilities[0, 0] > 0.8
    worker = with_neutral_faces(outlet, {})
    frames = [at_rest(face, number) for number in range(128)]
    for start in range(0, len(frames), batch):
        await worker.handle(frames[start : start + batch])
    said = [event.explanation.baseline for event in published(outlet)]

    first = said.index("subject")
    assert 15 <= first <= 64
    assert said == ["population"] * first + ["subject"] * (128 - first)
    assert published(outlet)[-1].explanation.score_change == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": Quality(5.0, 0.05, 1.0)},
        {"quality": Quality(64.0, 0.0, 1.0)},
        {"pose": Pose(60.0, 0.0, 0.0)},
    ],
    ids=str,
)
async def test_poor_frames_teach_nothing(outlet: Any, face: Make, changes: dict[str, Any]) -> None:
    worker = with_neutral_faces(outlet, {})
    await worker.handle([at_rest(face, number, **changes) for number in range(64)])
    await worker.handle([at_rest(face, 64)])

    assert {event.explanation.baseline for event in published(outlet)} == {"population"}


async def test_a_wrong_own_face_does_not_confirm_itself(outlet: Any, face: Make) -> None:
    """The population's baseline judges what is learnt: beside itself a smile would be no smile."""
    assert CLASSIFIER.classify(SMILE[None]).probabilities[0, 1] > 0.9
    wrong = neutral_face_store.pack(CLASSIFIER.landmark_set.id, SMILE, 0.1, 1, T0_US - 1)
    worker = with_neutral_faces(outlet, {"yard:new": wrong})
    for start in range(0, 640, 64):
        await worker.handle([at_rest(face, start + number, SMILE) for number in range(64)])
    assert published(outlet)[-1].explanation.baseline == "subject"
    assert worker._neutral_faces is not None
    assert worker._neutral_faces._subjects["yard:new"].estimate.readings == 1

    for start in range(640, 768, 64):
        await worker.handle([at_rest(face, start + number) for number in range(64)])
    (mine,) = await worker._neutral_faces.of(["yard:new"])
    assert mine is not None
    assert np.abs(mine - OWN).max() < 0.1 * np.abs(SMILE - OWN).max()


def test_what_is_learnt_from_has_no_bias(face: Make) -> None:
    maker = EventMaker(BIASED, Settings(operating_point="balanced"))
    faces = [maker.check(face(seed=seed)) for seed in range(4)]
    said = maker.against(faces, [None, OWN, None, OWN], due=[0, 1, 3]).population_probabilities
    expected = CLASSIFIER.classify(np.stack([moved(seed) for seed in range(4)])).probabilities

    assert sorted(said) == [0, 1, 3]
    for place, probabilities in said.items():
        assert probabilities == pytest.approx(expected[place], rel=1e-3, abs=1e-6)


async def test_an_own_face_is_learnt_alike_at_each_operating_point(outlet: Any, face: Make) -> None:
    """With this bias no face at rest would be called neutral."""
    bias = np.array([-20, 0, 0, 0, 0, 0, 0, 0], np.float32)
    assert CLASSIFIER.classify(OWN[None], bias=bias).probabilities[0, 0] < 0.01
    points = {"accurate": OperatingPoint(0 * bias, 0.5), "balanced": OperatingPoint(bias, 0.5)}
    estimates = []
    for name in points:
        chosen = Settings(operating_point=name)
        cache = NeutralFaceCache(TableStore({}), chosen, CLASSIFIER.landmark_set)  # type: ignore[arg-type]
        worker = ClassifyWorker(chosen, outlet, replace(CLASSIFIER, operating_points=points), cache)
        for start in (0, 64):
            await worker.handle([at_rest(face, start + number) for number in range(64)])
        estimates.append(cache._subjects["yard:new"].estimate)
    accurate, balanced = estimates

    assert accurate.readings == balanced.readings > 0
    assert balanced.weight == pytest.approx(accurate.weight, rel=1e-3)
    assert np.allclose(balanced.mean, accurate.mean)


async def test_without_redis_it_classifies_and_learns_all_the_same(outlet: Any, face: Make) -> None:
    worker = with_neutral_faces(outlet, None)
    for start in (0, 64):
        await worker.handle([at_rest(face, start + number) for number in range(64)])
    assert published(outlet)[0].explanation.baseline == "population"
    assert published(outlet)[-1].explanation.baseline == "subject"
    assert len(published(outlet)) == 128


async def test_a_batch_that_is_tried_again_teaches_once(outlet: Any, face: Make) -> None:
    worker = with_neutral_faces(outlet, {})
    batch = [at_rest(face, number) for number in range(64)]
    outlet.undelivered = [KafkaTimeoutError()]
    with pytest.raises(KafkaTimeoutError):
        await worker.handle(batch)
    assert worker._neutral_faces is not None
    once = worker._neutral_faces._subjects["yard:new"].estimate
    await worker.handle(batch)

    assert worker._neutral_faces._subjects["yard:new"].estimate is once


async def test_switched_off_it_needs_no_redis(outlet: Any, face: Make) -> None:
    chosen = Settings(own_neutral=False, redis_url="http://no-redis", min_confidence=0.0)
    async with open_handler(chosen, outlet) as handler:
        for start in (0, 64):
            await handler([at_rest(face, start + number) for number in range(64)])
    assert {event.explanation.baseline for event in published(outlet)} == {"population"}


async def test_the_stage_writes_what_it_learnt_when_it_ends(outlet: Any, face: Make, redis_url: str) -> None:
    chosen = Settings(redis_url=redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        async with open_handler(chosen, outlet) as handler:
            await handler([at_rest(face, number) for number in range(64)])
        assert client.keys() == [b"mien:{yard:new}:neutral"]
    async with open_handler(chosen, outlet) as handler:
        await handler([at_rest(face, 64)])
    assert published(outlet)[-1].explanation.baseline == "subject"


async def test_the_batch_is_not_done_before_kafka_has_every_event(
    worker: ClassifyWorker, outlet: Any, face: Make
) -> None:
    outlet.undelivered = [KafkaTimeoutError()]

    with pytest.raises(KafkaTimeoutError):
        await worker.handle([message(face())])
