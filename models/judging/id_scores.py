"""How well ids are kept: CLEAR-MOT and IDF1 of a tracker's answers against the truth.

- K. Bernardin, R. Stiefelhagen: "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics",
  EURASIP J. Image and Video Processing 2008: misses, false positives, id switches, MOTA.
- E. Ristani et al.: "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV
  Workshops 2016: IDF1.

Our own, since `motmetrics` has had no release since 2022 and brings pandas.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.arrays import F64

MIN_IOU: Final = 0.5
"""A box and a true box that overlap less show different faces (as in MOTChallenge)."""


class Judged(NamedTuple):
    """One frame: the true faces and those that were found, N and M of them."""

    true_ids: Sequence[int]
    true_xyxy: F64
    """``[N, 4]``."""
    counts: Sequence[bool]
    """Whether a true face must be found. One that need not (hidden, cut off) makes neither misses nor, where
    it is found, false positives."""
    found_ids: Sequence[str]
    found_xyxy: F64
    """``[M, 4]``."""


class IdScores(NamedTuple):
    """Counts over all frames of a scene, and the scores that follow from them."""

    truths: int
    """True faces that must be found, of all frames."""
    misses: int
    false_positives: int
    switches: int
    """A true face that is found under another id than the last time."""
    fragmentations: int
    """A true face was found, then missed for a while, then found again."""
    shared_ids: int
    """Ids that were given to more than one true face."""
    mota: float
    """1 - (misses + false positives + switches) / truths. At most 1, and below 0 for a bad tracker."""
    idf1: float
    """Share of truths and answers in agreement under the best pairing of true faces with ids, 0 to 1."""


def id_scores(frames: Iterable[Judged], min_iou: float = MIN_IOU) -> IdScores:
    """Scores of one scene, its frames in order.

    Raises ValueError where there is nothing to find.
    """
    last_id: dict[int, str] = {}
    history: dict[int, list[bool]] = {}
    faces_of: dict[str, set[int]] = {}
    overlaps: dict[tuple[int, str], int] = {}
    truths = found = misses = false_positives = switches = 0
    for frame in frames:
        frame, iou = _counted(frame, iou_matrix(frame.true_xyxy, frame.found_xyxy), min_iou)
        pairs = _pairs(frame, iou, last_id, min_iou)
        truths += len(frame.true_ids)
        found += len(frame.found_ids)
        misses += len(frame.true_ids) - len(pairs)
        false_positives += len(frame.found_ids) - len(pairs)
        for row, true_id in enumerate(frame.true_ids):
            history.setdefault(true_id, []).append(row in pairs)
            if row in pairs:
                found_id = frame.found_ids[pairs[row]]
                switches += last_id.get(true_id, found_id) != found_id
                last_id[true_id] = found_id
                faces_of.setdefault(found_id, set()).add(true_id)
        for row, column in zip(*np.nonzero(iou >= min_iou), strict=True):
            both = frame.true_ids[row], frame.found_ids[column]
            overlaps[both] = overlaps.get(both, 0) + 1
    if not truths:
        raise ValueError("no true face that counts: there is nothing to score")
    return IdScores(
        truths,
        misses,
        false_positives,
        switches,
        sum(_gaps(seen) for seen in history.values()),
        sum(len(faces) > 1 for faces in faces_of.values()),
        1 - (misses + false_positives + switches) / truths,
        2 * _best_pairing(overlaps) / (truths + found),
    )


def iou_matrix(a_xyxy: F64, b_xyxy: F64) -> F64:
    """Intersection over union of boxes ``[N, 4]`` and ``[M, 4]``: ``[N, M]``."""
    a, b = np.reshape(a_xyxy, (-1, 1, 4)), np.reshape(b_xyxy, (1, -1, 4))
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    overlap = sides.clip(0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(union), where=union > 0), np.float64)


def _counted(frame: Judged, iou: F64, min_iou: float) -> tuple[Judged, F64]:
    """The frame and its IoU without the faces that need not be found, and without their answers."""
    counts = np.array(frame.counts, bool)
    if counts.all():
        return frame, iou
    theirs = {column for row, column in _match(iou, min_iou).items() if not counts[row]}
    rows = np.flatnonzero(counts)
    columns = np.array([c for c in range(len(frame.found_ids)) if c not in theirs], int)
    kept = Judged(
        [frame.true_ids[r] for r in rows],
        frame.true_xyxy[rows],
        [True] * len(rows),
        [frame.found_ids[c] for c in columns],
        frame.found_xyxy[columns],
    )
    return kept, iou[np.ix_(rows, columns)]


def _pairs(frame: Judged, iou: F64, last_id: dict[int, str], min_iou: float) -> dict[int, int]:
    """Row → column: first those who still go together, then the best match of the rest."""
    pairs: dict[int, int] = {}
    free = iou.copy()
    columns = {found_id: column for column, found_id in enumerate(frame.found_ids)}
    for row, true_id in enumerate(frame.true_ids):
        column = columns.get(last_id[true_id]) if true_id in last_id else None
        if column is not None and free[row, column] >= min_iou:
            pairs[row] = column
            free[row], free[:, column] = 0, 0
    return pairs | _match(free, min_iou)


def _match(iou: F64, min_iou: float) -> dict[int, int]:
    """Row → column of the matching with the most pairs of at least `min_iou`, then the most IoU."""
    near = iou >= min_iou
    rows, columns = linear_sum_assignment(np.where(near, iou + iou.size, 0.0), maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if near[r, c]}


def _gaps(seen: Sequence[bool]) -> int:
    """Runs of False between two True."""
    inside = np.trim_zeros(np.array(seen, np.int8))
    return int(np.count_nonzero(np.diff(inside) == -1))


def _best_pairing(overlaps: dict[tuple[int, str], int]) -> int:
    """Frames in agreement when each true face keeps one id and each id one face."""
    faces, ids = sorted({f for f, _ in overlaps}), sorted({i for _, i in overlaps})
    together = np.zeros((len(faces), len(ids)))
    for (face, id_), frames in overlaps.items():
        together[faces.index(face), ids.index(id_)] = frames
    rows, columns = linear_sum_assignment(together, maximize=True)
    return int(together[rows, columns].sum())
