"""What gathering evidence over time gains, and what it costs in delay: on sequences that are made up.

`models.judging.expression_sequences` makes the sequences, the classifier answers each frame, and three ways
make a state of the answers: the answer of each frame alone; exponential smoothing of the probabilities, as
the state did it before there was `models.emotion.evidence`; and that. A fourth, exponential smoothing with
the smallest bias on neutral, above or below 0, with which it leaves neutral no more often in talking people,
shows what the way alone is worth.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64, I32
from models.emotion import evidence
from models.emotion.probabilities import with_bias
from models.judging import expression_sequences
from models.judging.expression_sequences import (
    CHANGE,
    KINDS,
    REST_S,
    SequenceKind,
    SequenceSource,
    TurnLimits,
)
from models.samples.dataset import EMOTIONS

Way: TypeAlias = Literal["frames", "exponential", "exponential, as careful", "evidence"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)

IN_TIME_S: Final = 0.7
"""After its apex begins, an expression should be the dominant one."""
EXPONENTIAL_S: Final = 1.0
"""Time constant of the exponential smoothing that is compared with: the default before."""
_BIASES: Final = np.arange(-6.0, 12.01, 0.25)
_PEOPLE_AT_ONCE: Final = 8  # bounds memory

Answering: TypeAlias = Callable[[F32, F32], F32]
"""Probabilities [B, C] of faces [B, K, 3] against their own neutral faces [B, K, 3]."""
Progress: TypeAlias = Callable[[str, int, int], None]


class SequenceOptions(NamedTuple):
    """How sequences are made and followed."""

    rule: evidence.EvidenceRule
    limits: TurnLimits
    min_confidence: float  # less sure answers abstain
    frames_per_s: float = expression_sequences.FRAMES_PER_S
    change: tuple[float, float] = CHANGE  # RMS of a coordinate from frame to frame
    seed: int = 0


class NeutralFigures(msgspec.Struct, frozen=True):
    """People who show no emotion for ten seconds, one way of making a state."""

    sequences: int
    leaves: float
    """Share of the sequences in which an emotion is dominant at any time."""
    leaves_for: dict[str, int]
    """Into which emotion first: how many sequences."""


class ExpressionFigures(msgspec.Struct, frozen=True):
    """Sequences with one expression, one way of making a state. Delays are from the apex's begin; those
    that never get there within the apex count as infinitely late, and null stands for that."""

    sequences: int
    in_time: float
    """Share in which it is dominant at some time from its onset to 0.7 s after its apex begins."""
    held: float
    """Share of the rest of the apex in which it is dominant, mean over all sequences."""
    mistaken: float
    """Share in which another emotion is dominant at any time of the apex."""
    delay_median_s: float | None
    delay_p90_s: float | None
    """Of those that get there."""


class KindFigures(msgspec.Struct, frozen=True):
    """Of one kind of sequences."""

    rms_change: float
    """Mean over the sequences: RMS of a coordinate from one frame to the next, in inter-ocular distances."""
    abstained: float
    """Share of the frames."""
    neutral: dict[str, NeutralFigures] = {}
    """By way; empty for kinds with an expression."""
    shown: dict[str, dict[str, ExpressionFigures]] = {}
    """By way and emotion; `all` is the mean over the emotions, its delays those of all sequences."""


class Judgement(msgspec.Struct, frozen=True):
    """Everything that is told about one model on one file."""

    people: int
    frames_per_s: float
    bias_as_careful: float
    """Bias on neutral of `exponential, as careful`."""
    kinds: dict[str, KindFigures]


@dataclass(frozen=True)
class _Answered:
    """The answers to N sequences, without their points."""

    at_s: F64  # [T]
    probabilities: F64  # [N, T, C]
    counts: NDArray[np.bool_]  # [N, T]
    yaw_pitch_deg: F64  # [N, T, 2]
    emotion: I32  # [N]
    apex_s: F64  # [N, 2]
    rms_change: F64  # [N]


def judge(
    answer: Answering,
    source: SequenceSource,
    options: SequenceOptions,
    progress: Progress = lambda _what, _done, _total: None,
) -> Judgement:
    """All kinds of sequences, all ways of making a state of the answers."""
    answered = {kind: _answered(answer, source, kind, options, progress) for kind in KINDS}
    talking = answered["talking"]
    allowed = _leaves(_dominant("evidence", talking, options, 0.0))
    bias = next(
        (
            float(bias)
            for bias in _BIASES
            if _leaves(_dominant("exponential", talking, options, float(bias))) <= allowed
        ),
        float(_BIASES[-1]),
    )
    return Judgement(
        people=len(source.people),
        frames_per_s=options.frames_per_s,
        bias_as_careful=bias,
        kinds={kind: _figures(one, options, bias) for kind, one in answered.items()},
    )


def exponential(probabilities: F64, at_s: F64, counts: NDArray[np.bool_], constant_s: float) -> F64:
    """Exponential smoothing [N, T, C] of probabilities: what the state was before it gathered evidence.

    The first answer that counts is where it begins; before it, neutral.
    """
    after = np.zeros_like(probabilities)
    now = np.zeros_like(probabilities[:, 0])
    now[:, 0] = 1.0
    last_s = np.full(len(now), -np.inf)
    for t, time_s in enumerate(at_s):
        weight = -np.expm1(-(time_s - last_s) / constant_s)
        new = now + weight[:, None] * (probabilities[:, t] - now)
        now = np.where(counts[:, t, None], new, now)
        last_s = np.where(counts[:, t], time_s, last_s)
        after[:, t] = now
    return after


def _answered(
    answer: Answering,
    source: SequenceSource,
    kind: SequenceKind,
    options: SequenceOptions,
    progress: Progress,
) -> _Answered:
    parts = list(_parts(answer, source, kind, options, progress))
    first, *_ = parts
    return _Answered(
        at_s=first.at_s,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        yaw_pitch_deg=np.concatenate([part.yaw_pitch_deg for part in parts]),
        emotion=np.concatenate([part.emotion for part in parts]),
        apex_s=np.concatenate([part.apex_s for part in parts]),
        rms_change=np.concatenate([part.rms_change for part in parts]),
    )


def _parts(
    answer: Answering,
    source: SequenceSource,
    kind: SequenceKind,
    options: SequenceOptions,
    progress: Progress,
) -> Iterator[_Answered]:
    people = source.people
    for start in range(0, len(people), _PEOPLE_AT_ONCE):
        made = expression_sequences.make(
            source._replace(people=people[start : start + _PEOPLE_AT_ONCE]),
            kind,
            options.limits,
            frames_per_s=options.frames_per_s,
            change=options.change,
            seed=options.seed,
        )
        n, t = made.points.shape[:2]
        p = np.empty((n, t, len(EMOTIONS)))
        for i in range(n):
            p[i] = answer(made.points[i], np.broadcast_to(made.baseline[i], made.points[i].shape))
        beyond = np.abs(made.yaw_pitch_deg) > [options.limits.yaw_deg, options.limits.pitch_deg]
        yield _Answered(
            at_s=made.at_s,
            probabilities=p.round(6),  # as events have them
            counts=(p.max(axis=2) >= options.min_confidence) & ~beyond.any(axis=2),
            yaw_pitch_deg=made.yaw_pitch_deg.astype(np.float64),
            emotion=made.emotion,
            apex_s=made.apex_s,
            rms_change=expression_sequences.rms_change(made),
        )
        progress(kind, min(start + _PEOPLE_AT_ONCE, len(people)), len(people))


def _dominant(way: Way, answered: _Answered, options: SequenceOptions, bias: float) -> NDArray[np.int64]:
    """The dominant emotion [N, T]."""
    p, counts, at_s = answered.probabilities, answered.counts, answered.at_s
    if way == "frames":
        return _greatest(np.where(counts[..., None], p, np.eye(p.shape[2])[0]))
    if way == "evidence":
        own = np.ones_like(counts)
        return _greatest(evidence.follow(options.rule, p, answered.yaw_pitch_deg, at_s, own, counts))
    if bias:
        favour = np.zeros(p.shape[2], np.float32)
        favour[0] = bias
        p = (
            with_bias(p.reshape(-1, p.shape[2]).astype(np.float32), favour)
            .reshape(p.shape)
            .astype(np.float64)
        )
    return _greatest(exponential(p, at_s, counts, EXPONENTIAL_S))


def _greatest(p: F64) -> NDArray[np.int64]:
    greatest: NDArray[np.int64] = p.argmax(axis=2)
    return greatest


def _leaves(dominant: NDArray[np.int64]) -> float:
    return float((dominant != 0).any(axis=1).mean()) if len(dominant) else 0.0


def _figures(answered: _Answered, options: SequenceOptions, bias: float) -> KindFigures:
    told = {
        way: _dominant(way, answered, options, bias if way == "exponential, as careful" else 0.0)
        for way in WAYS
    }
    with_expression = answered.emotion.any()
    return KindFigures(
        rms_change=float(answered.rms_change.mean()) if len(answered.rms_change) else 0.0,
        abstained=float((~answered.counts).mean()) if answered.counts.size else 0.0,
        neutral={} if with_expression else {way: _neutral(dominant) for way, dominant in told.items()},
        shown={way: _shown(dominant, answered) for way, dominant in told.items()} if with_expression else {},
    )


def _neutral(dominant: NDArray[np.int64]) -> NeutralFigures:
    left = dominant != 0
    first = dominant[np.arange(len(dominant)), left.argmax(axis=1)][left.any(axis=1)]
    return NeutralFigures(
        sequences=len(dominant),
        leaves=_leaves(dominant),
        leaves_for={name: int((first == i).sum()) for i, name in enumerate(EMOTIONS) if (first == i).any()},
    )


def _shown(dominant: NDArray[np.int64], answered: _Answered) -> dict[str, ExpressionFigures]:
    at_s, (begins_s, ends_s) = answered.at_s[None], answered.apex_s.T[..., None]
    right = (dominant == answered.emotion[:, None]) & (at_s >= REST_S) & (at_s <= ends_s)
    first_s = np.where(right.any(axis=1), answered.at_s[right.argmax(axis=1)], np.inf)
    delay_s = first_s - begins_s[:, 0]
    later = (at_s > begins_s + IN_TIME_S) & (at_s <= ends_s)
    held = (right & later).sum(axis=1) / later.sum(axis=1)
    apex = (at_s >= begins_s) & (at_s <= ends_s)
    mistaken = (apex & (dominant != 0) & (dominant != answered.emotion[:, None])).any(axis=1)
    by_emotion = {
        name: _mean(delay_s[mine], held[mine], mistaken[mine])
        for i, name in enumerate(EMOTIONS)
        if (mine := answered.emotion == i).any()
    }
    everyone = _mean(delay_s, held, mistaken)
    means = {
        figure: float(np.mean([getattr(one, figure) for one in by_emotion.values()]))
        for figure in ("in_time", "held", "mistaken")
    }
    return {"all": msgspec.structs.replace(everyone, **means)} | by_emotion


def _mean(delay_s: F64, held: F64, mistaken: NDArray[np.bool_]) -> ExpressionFigures:
    got = delay_s[np.isfinite(delay_s)]
    return ExpressionFigures(
        sequences=len(delay_s),
        in_time=float((delay_s <= IN_TIME_S + 1e-9).mean()),
        held=float(held.mean()),
        mistaken=float(mistaken.mean()),
        delay_median_s=float(np.median(got)) if len(got) else None,
        delay_p90_s=float(np.percentile(got, 90)) if len(got) else None,
    )
