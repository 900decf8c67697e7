"""The network for faces whose subject's own neutral face is known: what its rows are, and how it is fitted.

Within one recording a face at rest differs from its mean by 0.003 to 0.004 inter-ocular distances (RMS), and
a sad face by 0.008. That can be told apart, but not by a network that has learnt rest from photos of
different years, which differ by 0.016. So here rest is as restless as in a recording, and what expressions
look like comes from four kinds of rows, each with all emotions in equal numbers:

everyday
    FERPlus: what faces of an emotion have that neutral ones have not, N(μ_c - μ_0, (Σ_c - Σ_0)₊). Who the
    people are is in both and drops out.
photos
    Real faces against other photos of the same person.
warped
    Photos of people at rest, warped by expression shapes and measured again; as they are, and as blends of
    two of an emotion, with another person's restlessness added.
responses
    What the mesh shows of each expression shape, by linear regression on the warped photos, for new draws of
    the samplers, with what the regression leaves unexplained added.

Its operating points and its calibration are chosen by networks like it, each of which has not seen a part of
the people (cross-fitting): three resting faces in a thousand are too few to be counted on less than all.

Raw expression shapes are never shown: a network learns their fingerprint and calls every real face neutral.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64
from models.samples import landmark_noise
from models.samples.dataset import EMOTIONS, NO_MAJORITY, RESTLESS, UNKNOWN_SUBJECT, Samples, within_person
from models.samples.expression_sampler import SHAPES, sample_weights
from models.samples.own_neutral import of_one_sitting, own_neutral_faces
from models.samples.synthetic_faces import recipe_weights
from models.samples.turned_mesh import mesh_of_turns, turn_covariance
from models.training import network, network_fitting
from models.training.calibration import even_temperature
from models.training.folds import subject_folds
from models.training.network import Network
from models.training.network_fitting import Material, Progress, Schedule
from models.training.operating_point_choice import FalseAlarms, choose_own
from models.training.shape_modes import (
    ShapeModes,
    features,
    noise_of_features,
    second_moments,
    telling_modes,
)
from models.training.to_network import to_network, within_reach
from models.training.trained_model import OwnHead

_NEUTRAL: Final = EMOTIONS.index("neutral")
_SPEECH, _BLINK = RESTLESS
_LEAST: Final = 20  # faces that tell how an emotion looks; fewer do not
_DIRECTIONS: Final = 25  # of an everyday expression
_RIDGE: Final = 2.0  # of the regression on shape weights

# Strengths, each drawn from U(low, high) for every row.
_EVERYDAY: Final = (0.4, 1.2)
_WARPED: Final = (0.5, 1.5)  # of expressions; warps are weaker than posed ones
_RESTLESS: Final = (0.7, 1.5)  # of warped neutral faces
_PHOTO_REST: Final = (0.1, 0.5)  # of neutral photos: years lie between them, seconds between frames
_REST: Final = (0.05, 0.3)  # of such restlessness added to an expression
_NEUTRAL_REST: Final = (0.05, 0.35)  # and to a neutral face
_ANOTHERS_REST: Final = (0.0, 0.6)  # of another person's restlessness in a recording
_RECIPE: Final = (0.4, 1.5)


class OwnHeadConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `mien train` can be told about the network for own neutral faces."""

    rows: int = 5000  # of each kind and emotion
    even_modes: int = 60
    odd_modes: int = 40
    whitening: float = 0.5
    white_noise: float = 0.0015  # added to the landmarks in training, in inter-ocular distances
    smooth_noise: float = 0.003  # about that of video, see `models.judging.expression_sequences`
    turn_noise_deg: float = 4.0  # turns of the head whose traces in the mesh tell nothing
    hidden: int = 256  # units, each with a mirror twin
    steps: int = 2000
    batch: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.03
    folds: int = 4  # of the warped people, to choose the operating points by
    everyday: float = 0.5  # weights: how often a row of this kind is drawn, against the others
    photos: float = 0.75
    warped: float = 2.0
    blends: float = 2.0
    responses: float = 0.5
    recipes: float = 0.5
    speech_share: float = 0.35  # of the warped neutral rows
    blink_share: float = 0.25
    false_alarms: float = 0.003  # neutral faces at rest that the point `own` may name otherwise
    false_alarms_in_speech: float = 0.05
    false_alarms_in_blinks: float = 0.016
    watchful_false_alarms: float = 0.02

    def __post_init__(self) -> None:
        if min(self.rows, self.even_modes, self.odd_modes, self.hidden, self.steps, self.batch) < 1:
            raise ValueError("own_head: rows, modes, hidden units, steps and batch must be at least 1")
        if self.folds < 2:
            raise ValueError("own_head: the operating points need at least 2 folds")
        weights = (self.everyday, self.photos, self.warped, self.blends, self.responses, self.recipes)
        if min(weights) < 0 or self.warped <= 0:
            raise ValueError("own_head: weights must not be negative, that of warped photos not 0")
        shares = (
            *(self.speech_share, self.blink_share, self.false_alarms, self.false_alarms_in_speech),
            *(self.false_alarms_in_blinks, self.watchful_false_alarms, self.label_smoothing),
        )
        if not 0 <= min(shares) <= max(shares) < 1 or self.speech_share + self.blink_share > 1:
            raise ValueError("own_head: shares must lie in [0, 1), and those of speech and blinks add up")
        if not 0 <= self.turn_noise_deg < 90:
            raise ValueError("own_head: turn_noise_deg must lie in [0, 90)")
        if min(self.white_noise, self.smooth_noise) <= 0:
            raise ValueError("own_head: noise must be positive: points without noise tell too much")


def can_train(samples: Samples) -> bool:
    """Whether there are warped photos of all emotions to train on, and of faces at rest."""
    warped = samples.only(samples.of_kind("warped"))
    return set(range(len(EMOTIONS))) <= set(warped.label.tolist()) and of_one_sitting(warped)


def train_own_head(
    config: OwnHeadConfig, samples: Samples, min_precision: float, seed: int, progress: Progress
) -> OwnHead:
    """Fit to the training part of `samples`, which have the points of the network, calibrate and choose
    operating points. `can_train` must say so. Raises ValueError when there are fewer people than folds."""
    samples = samples.only(~samples.validation & (samples.label != NO_MAJORITY))
    warped = samples.of_kind("warped")
    own, known = own_neutral_faces(samples.only(warped))
    fold = np.full(len(samples), -1)
    fold[warped] = subject_folds(samples.subject[warped], config.folds, seed)
    unseen, logits = [], []
    for part in range(config.folds):
        net = _fit(config, samples.only(fold != part), seed, progress)
        rows = known & (fold[warped] == part)
        faces = samples.only(warped).only(rows)
        unseen.append(faces)
        logits.append(network.logits(net, faces.points - own[rows]))
    answers = np.concatenate(logits)
    label, tag = (np.concatenate([getattr(faces, name) for faces in unseen]) for name in ("label", "tag"))
    scale = even_temperature(answers, label)
    net = _fit(config, samples, seed, progress)
    limits = FalseAlarms(
        config.false_alarms,
        config.false_alarms_in_speech,
        config.false_alarms_in_blinks,
        config.watchful_false_alarms,
    )
    return OwnHead(
        net._replace(w2=net.w2 * scale, b2=net.b2 * scale),
        choose_own(answers * scale, label, tag, limits, min_precision),
    )


def _fit(config: OwnHeadConfig, samples: Samples, seed: int, progress: Progress) -> Network:
    """The network, as it comes from these faces."""
    rng = np.random.default_rng(seed)
    known = _Known.of(samples)
    mirror = samples.landmark_set.mirror
    noise = landmark_noise.covariance(samples.landmark_set, config.white_noise, config.smooth_noise)
    noise += turn_covariance(known.turns, config.turn_noise_deg)
    modes = telling_modes(
        known.moves, known.rest + noise, mirror, config.even_modes, config.odd_modes, config.whitening
    )
    inputs, label, weights, longest = _rows(config, known, modes, rng)
    smooth = config.label_smoothing
    targets = np.eye(len(EMOTIONS))[label] * (1 - smooth) + smooth / len(EMOTIONS)
    material = Material(
        inputs,
        targets.astype(np.float32),
        weights,
        modes.sign,
        noise_of_features(modes, noise),
        np.zeros(len(EMOTIONS), np.float32),
    )
    layers = network_fitting.fit(
        network_fitting.twins(modes.sign),
        [config.hidden],
        material,
        Schedule(config.steps, config.batch, config.learning_rate, config.weight_decay, seed),
        progress,
    )
    return within_reach(to_network(layers, modes, material.shift, samples.landmark_set), longest)


class _Labelled(NamedTuple):
    """Differences from the own neutral face."""

    difference: F32  # [N, K, 3]
    label: NDArray[np.int32]  # [N]
    tag: NDArray[np.str_]  # [N]
    shape_weights: F32  # [N, 57]

    def of(self, emotion: int, tag: str | None = None) -> F32:
        """Those that show an emotion, and have the tag where one is given."""
        chosen = self.label == emotion
        found: F32 = self.difference[chosen if tag is None else chosen & (self.tag == tag)]
        return found


class _Known(NamedTuple):
    """What faces to learn from say."""

    warped: _Labelled
    photos: _Labelled
    restlessness: F32  # [V, K, 3]: how neutral photos of one person differ, over years
    everyday: dict[int, tuple[F64, F64]]  # emotion → mean [3K] and root of the covariance [D, 3K]
    responses: F32  # [57, K, 3]: what the mesh shows of a shape at weight 1
    unexplained: F32  # [N, K, 3]: what the responses leave of the warped rows
    turns: F32  # [5, K, 3]: what turns of the head do to the mesh (`models.samples.turned_mesh`)
    moves: F64  # [3K, 3K]: second moments of real faces' expressions
    rest: F64  # [3K, 3K]: of neutral ones'

    @classmethod
    def of(cls, samples: Samples) -> "_Known":
        warped, photos = (_against_own(samples.only(samples.of_kind(kind))) for kind in ("warped", "real"))
        real = samples.only(samples.of_kind("real"))
        resting = real.only((real.label == _NEUTRAL) & (real.subject != UNKNOWN_SUBJECT))
        quiet = warped.of(_NEUTRAL, "")
        restlessness = within_person(resting.points, resting.subject)
        strangers = real.only(real.subject == UNKNOWN_SUBJECT)
        mirror = samples.landmark_set.mirror
        weights = warped.shape_weights.astype(np.float64)
        flat = warped.difference.reshape(len(warped.difference), -1)
        responses = np.linalg.solve(
            weights.T @ weights + _RIDGE * np.eye(weights.shape[1]), weights.T @ flat
        ).astype(np.float32)
        unexplained = flat - warped.shape_weights @ responses
        return cls(
            warped,
            photos,
            restlessness if len(restlessness) else quiet,
            _everyday(strangers),
            responses.reshape(len(responses), -1, 3),
            unexplained.reshape(warped.difference.shape),
            _turns(samples.only(samples.of_kind("warped"))),
            _moves(strangers, photos, warped, mirror),
            _rest(quiet, warped.of(_NEUTRAL, _SPEECH), restlessness, mirror),
        )


def _against_own(samples: Samples) -> _Labelled:
    own, known = own_neutral_faces(samples)
    return _Labelled(
        samples.points[known] - own[known],
        samples.label[known],
        samples.tag[known],
        samples.shape_weights[known],
    )


def _turns(warped: Samples) -> F32:
    quiet = warped.only((warped.label == _NEUTRAL) & ~np.isin(warped.tag, RESTLESS))
    return mesh_of_turns(quiet.points, quiet.yaw_pitch_deg, quiet.landmark_set)


def _everyday(strangers: Samples) -> dict[int, tuple[F64, F64]]:
    """What an emotion adds to faces, for those that enough faces show: mean [3K], and covariance by its root
    [D, 3K]; neutral ones add nothing."""
    mirror, flip = strangers.landmark_set.mirror, np.array([-1, 1, 1], np.float32)
    about: dict[int, tuple[F64, F64]] = {}
    for emotion in range(len(EMOTIONS)):
        faces = strangers.points[strangers.label == emotion]
        if len(faces) >= _LEAST:
            both = np.concatenate([faces, faces[:, mirror] * flip]).reshape(2 * len(faces), -1)
            about[emotion] = both.mean(axis=0, dtype=np.float64), np.cov(both.T)
    if _NEUTRAL not in about:
        return {}
    mean, covariance = about[_NEUTRAL]
    found = {}
    for emotion, (its_mean, its_covariance) in about.items():
        variance, vectors = np.linalg.eigh(its_covariance - covariance)
        top = np.argsort(variance)[::-1][:_DIRECTIONS]
        top = top[variance[top] > 0]
        found[emotion] = its_mean - mean, (vectors[:, top] * np.sqrt(variance[top])).T
    return found


# How much each kind of face has to say in what is a movement, and in what is rest.
_OF_EVERYDAY, _OF_PHOTOS = 0.3, 0.3
_OF_SPEECH, _OF_YEARS = 0.3, 0.06


def _moves(strangers: Samples, photos: _Labelled, warped: _Labelled, mirror: NDArray[np.int32]) -> F64:
    """Second moments of expressions of real faces; of warped ones where there are no others."""
    moved = strangers.points[strangers.label != _NEUTRAL]
    neutral = strangers.points[strangers.label == _NEUTRAL]
    shown = photos.difference[photos.label != _NEUTRAL]
    total = np.zeros((3 * len(mirror), 3 * len(mirror)))
    if len(moved) and len(neutral):
        mean = neutral.mean(axis=0)
        mean = (mean + mean[mirror] * np.array([-1, 1, 1], np.float32)) / 2
        total += _OF_EVERYDAY * second_moments(moved - mean, mirror)
    if len(shown):
        total += _OF_PHOTOS * second_moments(shown, mirror)
    if not total.any():
        total += second_moments(warped.difference[warped.label != _NEUTRAL], mirror)
    return total


def _rest(quiet: F32, speech: F32, restlessness: F32, mirror: NDArray[np.int32]) -> F64:
    """Second moments of neutral faces within a recording, some of them speaking."""
    total = second_moments(quiet, mirror)
    for part, weight in ((speech, _OF_SPEECH), (restlessness, _OF_YEARS)):
        if len(part):
            total += weight * second_moments(part, mirror)
    return total


def _rows(
    config: OwnHeadConfig, known: _Known, modes: ShapeModes, rng: np.random.Generator
) -> tuple[F32, NDArray[np.int32], F32, F32]:
    """Features [R, M], labels [R], weights [R], and the differences that are furthest from zero [L, K, 3]."""
    kinds: dict[str, Callable[[_Known, int, OwnHeadConfig, np.random.Generator], F32 | None]] = {
        "everyday": _everyday_rows,
        "photos": _photo_rows,
        "warped": _warped_rows,
        "blends": _blend_rows,
        "responses": _response_rows,
        "recipes": _recipe_rows,
    }
    inputs, label, weights, long = [], [], [], []
    for kind, make in kinds.items():
        weight = getattr(config, kind)
        for emotion in range(len(EMOTIONS)) if weight else ():
            rows = make(known, emotion, config, rng)
            if rows is not None:
                inputs.append(features(modes, rows))
                label.append(np.full(len(rows), emotion, np.int32))
                weights.append(np.full(len(rows), weight, np.float32))
                long.append(rows[:: max(1, len(rows) // 1000)])
    return np.concatenate(inputs), np.concatenate(label), np.concatenate(weights), np.concatenate(long)


def _everyday_rows(
    known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator
) -> F32 | None:
    if emotion not in known.everyday:
        return None
    rest = _rest_rows(known, emotion, config.rows, rng)
    if emotion == _NEUTRAL:
        return rest
    mean, root = known.everyday[emotion]
    drawn = mean + rng.normal(size=(config.rows, len(root))) @ root
    return _scaled(drawn.reshape(rest.shape).astype(np.float32), _EVERYDAY, rng) + rest


def _photo_rows(known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator) -> F32 | None:
    faces = known.photos.of(emotion)
    if len(faces) < _LEAST:
        return None
    rows = _some(faces, config.rows, rng)
    return _scaled(rows, _PHOTO_REST, rng) if emotion == _NEUTRAL else rows


def _warped_rows(known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator) -> F32:
    if emotion == _NEUTRAL:
        speech, blink = (round(share * config.rows) for share in (config.speech_share, config.blink_share))
        parts = _neutral_parts(known, {_SPEECH: speech, _BLINK: blink}, config.rows, rng)
        rows = _scaled(np.concatenate(list(parts)), _RESTLESS, rng)
    else:
        rows = _scaled(_some(known.warped.of(emotion), config.rows, rng), _WARPED, rng)
    return rows + _rest_rows(known, emotion, config.rows, rng)


def _blend_rows(known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator) -> F32:
    if emotion == _NEUTRAL:
        parts = _neutral_parts(known, {_SPEECH: config.rows // 2}, config.rows, rng)
        rows = _scaled(np.concatenate(list(parts)), _RESTLESS, rng)
    else:
        faces = known.warped.of(emotion)
        share = rng.uniform(0, 0.5, (config.rows, 1, 1)).astype(np.float32)
        rows = _some(faces, config.rows, rng) * (1 - share) + _some(faces, config.rows, rng) * share
        rows /= ((1 - share) ** 2 + share**2) ** 0.25  # two people's movements cancel in part
        rows = _scaled(rows, _WARPED, rng)
    return rows + _anothers_rest(known, config.rows, rng)


def _response_rows(known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator) -> F32:
    weights = sample_weights(EMOTIONS[emotion], config.rows, rng)
    shown = _shown(known, weights) * np.float32(1 if emotion != _NEUTRAL else 0.5)
    shown += np.float32(0.5) * _some(known.unexplained, config.rows, rng)
    return shown + _rest_rows(known, emotion, config.rows, rng)


def _recipe_rows(known: _Known, emotion: int, config: OwnHeadConfig, rng: np.random.Generator) -> F32:
    rows = np.float32(0.8) * _some(known.unexplained, config.rows, rng)
    if emotion == _NEUTRAL:
        speech = known.warped.of(_NEUTRAL, _SPEECH)
        return rows + _scaled(_some(speech, config.rows, rng), (0, 1), rng) if len(speech) else rows
    weights = recipe_weights(EMOTIONS[emotion], config.rows, SHAPES, rng)
    weights *= rng.uniform(*_RECIPE, (config.rows, 1)).astype(np.float32)
    return rows + _shown(known, weights) + _anothers_rest(known, config.rows, rng)


def _neutral_parts(
    known: _Known, tagged: dict[str, int], rows: int, rng: np.random.Generator
) -> Iterator[F32]:
    """Warped neutral faces: so many of each tag as far as there are any, the rest at rest."""
    for tag, count in tagged.items():
        faces = known.warped.of(_NEUTRAL, tag)
        if len(faces):
            rows -= count
            yield _some(faces, count, rng)
    yield _some(known.warped.of(_NEUTRAL, ""), rows, rng)


def _shown(known: _Known, weights: F32) -> F32:
    """What the mesh shows [N, K, 3] of shapes at these weights [N, 57]."""
    flat: F32 = weights @ known.responses.reshape(len(known.responses), -1)
    return flat.reshape(len(weights), -1, 3)


def _rest_rows(known: _Known, emotion: int, rows: int, rng: np.random.Generator) -> F32:
    """Restlessness of a recording: a part of that over years."""
    strength = _NEUTRAL_REST if emotion == _NEUTRAL else _REST
    return _scaled(_some(known.restlessness, rows, rng), strength, rng)


def _anothers_rest(known: _Known, rows: int, rng: np.random.Generator) -> F32:
    return _scaled(_some(known.warped.of(_NEUTRAL, ""), rows, rng), _ANOTHERS_REST, rng)


def _some(faces: F32, rows: int, rng: np.random.Generator) -> F32:
    drawn: F32 = faces[rng.integers(len(faces), size=rows)]
    return drawn


def _scaled(faces: F32, strength: tuple[float, float], rng: np.random.Generator) -> F32:
    scaled: F32 = faces * rng.uniform(*strength, (len(faces), 1, 1)).astype(np.float32)
    return scaled
