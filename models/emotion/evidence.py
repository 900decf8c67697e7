"""From answers frame by frame to what a face shows: evidence, gathered over a fraction of a second.

One frame of a video cannot tell what a second can: from one to the next the points move by as much as a sad
face differs from rest, and a mouth that speaks passes through smiles and pouts. So the state of a subject is
not led by the answers but by the evidence in them, the log-odds of each emotion against neutral:

1. **Odds** of a frame: log p(emotion) - log p(neutral), within ± `LIMIT`: neutral counts as at most `LIMIT`
   less likely than the likeliest emotion.
2. **Sustained**: against the subject's own neutral face `sustained_odds` are added to all emotions. That
   operating point is careful with single frames, many times a second; what lasts needs less.
3. **Turned**: away from where it usually looks a head's mesh is distorted, so `turn_discount` per
   (`TURN_UNIT_DEG`)² is taken off all emotions.
4. **Gather**: the odds are averaged over time, with the time constant `smoothing_s`. A mean of log-odds takes
   frames for independent looks at one thing: what speaks for an emotion in one frame and against it in the
   next cancels out, as in speech. A frame speaks for the time since the last one, but for `STEP_S` at most;
   what lies longer ago is forgotten. So a camera's frame rate hardly matters, and after a gap it takes time
   again to be sure.
5. **Usual**: what the odds are while the state is neutral, over `usual_s`, is usual for this subject: a
   resting face that looks a little sad, a picture with much noise, a mouth that talks. As far as it is above
   `USUAL` it is taken off, but never more than `USUAL_MOST`: a distinct expression counts in any face. While
   an emotion is dominant nothing is learnt, or a long smile would wear off.
6. **Smoothed** probabilities: the softmax of what is left, beside neutral with 0.

An abstained frame changes nothing. `streams/store/subject_state.lua` does the same in Redis, one event at a
time; this is the reference that it is held to, and what `mien evaluate --sequences` measures.
"""

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.arrays import F64

LIMIT: Final = 8.0
"""Greatest log-odds of a frame: 3,000 to 1."""
LEAST_PROBABILITY: Final = 1e-6
"""An event's probabilities have six decimals."""
STEP_S: Final = 0.25
"""A frame speaks for so long at most."""
USUAL: Final = -4.0
"""Log-odds of any emotion in an ordinary face at rest; where gathering begins."""
USUAL_MOST: Final = 3.0
"""So much is taken off at most for what is usual."""
LOOKS_S: Final = 10.0
"""Time constant of where a head usually looks."""
TURN_UNIT_DEG: Final = 20.0


class EvidenceRule(NamedTuple):
    """What can be set; docs/settings.md has the defaults."""

    smoothing_s: float
    usual_s: float
    turn_discount: float
    sustained_odds: float


class Evidence(NamedTuple):
    """What is known of N subjects after some frames. C emotions, neutral left out: it has 0."""

    odds: F64  # [N, C-1]: gathered
    usual: F64  # [N, C-1]
    looks_deg: F64  # [N, 2]: usual yaw and pitch
    at_s: F64  # [N]: time of the last frame that counted; nan before the first

    @classmethod
    def nothing(cls, subjects: int, emotions: int = 8) -> Self:
        """Before the first frame."""
        usual = np.full((subjects, emotions - 1), USUAL)
        return cls(usual, usual, np.zeros((subjects, 2)), np.full(subjects, np.nan))


def update(
    state: Evidence,
    rule: EvidenceRule,
    probabilities: F64,
    yaw_pitch_deg: F64,
    at_s: F64,
    own: NDArray[np.bool_],
    counts: NDArray[np.bool_],
) -> Evidence:
    """The state after one more frame of each subject.

    Args:
        probabilities: [N, C] as the events have them; neutral is the first.
        yaw_pitch_deg: [N, 2] of the head.
        at_s: [N], time of capture.
        own: [N]; whether the face was compared with the subject's own neutral face.
        counts: [N]; False where the event abstained: nothing changes.
    """
    p = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    first = np.isnan(state.at_s)
    looks = np.where(first[:, None], yaw_pitch_deg, state.looks_deg)
    since_s = np.where(first, STEP_S, np.maximum(at_s - state.at_s, 0.0))
    step_s = np.minimum(since_s, STEP_S)
    gap_s = since_s - step_s

    looks = looks + _share(step_s, LOOKS_S) * (yaw_pitch_deg - looks)
    turned = np.square((yaw_pitch_deg - looks) / TURN_UNIT_DEG).sum(axis=1, keepdims=True)
    neutral = np.maximum(p[:, :1], p.max(axis=1, keepdims=True) - LIMIT)
    odds = np.maximum(p[:, 1:] - neutral, -LIMIT)
    odds = odds + rule.sustained_odds * own[:, None] - rule.turn_discount * turned
    gathered = state.odds + _share(gap_s, rule.smoothing_s) * (USUAL - state.odds)
    gathered = gathered + _share(step_s, rule.smoothing_s) * (odds - gathered)
    left = _left(gathered, state.usual)
    rests = (left <= 0).all(axis=1, keepdims=True)
    usual = np.where(rests, state.usual + _share(step_s, rule.usual_s) * (odds - state.usual), state.usual)
    after = Evidence(gathered, usual, looks, np.asarray(at_s, np.float64))
    return Evidence(*(np.where(_like(counts, new), new, old) for new, old in zip(after, state, strict=True)))


def smoothed(state: Evidence) -> F64:
    """The smoothed probabilities [N, C] of a state."""
    left = _left(state.odds, state.usual)
    z = np.concatenate([np.zeros((len(left), 1)), left], axis=1)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: F64 = e / e.sum(axis=1, keepdims=True)
    return p


def follow(
    rule: EvidenceRule,
    probabilities: F64,
    yaw_pitch_deg: F64,
    at_s: F64,
    own: NDArray[np.bool_],
    counts: NDArray[np.bool_],
) -> F64:
    """The smoothed probabilities [N, T, C] after each of T frames of N subjects.

    `probabilities` [N, T, C], `yaw_pitch_deg` [N, T, 2], `at_s` [T], `own` and `counts` [N, T]: as for
    `update`.
    """
    n, t, emotions = probabilities.shape
    state = Evidence.nothing(n, emotions)
    after = np.empty((n, t, emotions))
    for i in range(t):
        now_s = np.full(n, at_s[i])
        state = update(state, rule, probabilities[:, i], yaw_pitch_deg[:, i], now_s, own[:, i], counts[:, i])
        after[:, i] = smoothed(state)
    return after


def _left(odds: F64, usual: F64) -> F64:
    return odds - np.clip(usual - USUAL, 0.0, USUAL_MOST)


def _share(elapsed_s: F64, constant_s: float) -> F64:
    """[N, 1]: how far an exponential average goes to a new value."""
    share: F64 = -np.expm1(-elapsed_s / constant_s)[:, None]
    return share


def _like(mask: NDArray[np.bool_], array: F64) -> NDArray[np.bool_]:
    return mask.reshape(-1, *(1,) * (array.ndim - 1))
