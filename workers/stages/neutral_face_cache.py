"""Keeps each subject's own neutral face: in memory, and in Redis for after a restart or rebalance.

Redis is asked once for each subject that comes into view, and written to each second, beside the stream.
While it does not answer, the stage goes on with what it has in memory (``write_behind``).
"""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.emotion import neutral_face
from models.faces.landmark_set import LandmarkSet
from streams import metrics
from streams.settings import Settings
from streams.store import neutral_face_store
from streams.store.neutral_face_store import NeutralFace, NeutralFaceStore
from workers.stages.write_behind import WriteBehind

MAX_SUBJECTS = 1024
"""Kept in memory, at most 14 KB each; of more, the longest unseen are forgotten here, not in Redis."""
IDLE_S = 10.0
"""A subject unseen for so long is forgotten too: another worker may have it, and know it better."""
WRITE_EVERY_S = 1.0
REWRITE_EVERY_S = 4.0
"""Of the stream: a subject has a new reading each second, and a restart may lose a few of them."""


@dataclass(slots=True)
class _Known:
    """A subject in memory."""

    estimate: neutral_face.Estimate
    asked: bool  # whether Redis could be asked for what it knows
    seen_at_s: float  # monotonic, as the next
    written_at_s: float
    kept_read_at_us: int = 0  # of the last reading that was written


class NeutralFaceCache:
    """The own neutral faces of the subjects in view, as estimated so far.

    Use from one event loop, within :meth:`writing`.
    """

    def __init__(self, store: NeutralFaceStore, settings: Settings, landmark_set: LandmarkSet) -> None:
        self._store = store
        self._landmark_set = landmark_set
        self._refresh_s = settings.subject_ttl_s / 4
        self._subjects: OrderedDict[str, _Known] = OrderedDict()  # the one seen last is the last
        self._behind: WriteBehind[NeutralFace] = WriteBehind(
            store,
            metrics.neutral_store_failures_total,
            away="neutral faces are in memory only until redis answers",
            back="redis answers again: neutral faces are kept",
            at_most=MAX_SUBJECTS,
        )

    async def of(self, subject_ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Each one's own neutral face [K, 3]; None where it is not known."""
        await self._remember(dict.fromkeys(subject_ids))
        return [neutral_face.current(self._subjects[subject_id].estimate) for subject_id in subject_ids]

    def due(self, frames: Iterable[tuple[str, int]]) -> list[int]:
        """Which of these frames (subject, captured-at in µs) :meth:`learn` wants, by their place."""
        looked: dict[str, neutral_face.Estimate] = {}
        wanted = []
        for place, (subject_id, captured_at_us) in enumerate(frames):
            state = looked.get(subject_id) or self._subjects[subject_id].estimate
            if neutral_face.due(state, captured_at_us):
                looked[subject_id] = state._replace(looked_at_us=captured_at_us)
                wanted.append(place)
        return wanted

    def learn(
        self,
        subject_id: str,
        points: NDArray[np.float32],
        population_probabilities: NDArray[np.float32],
        captured_at_us: int,
        *,
        usable: bool,
    ) -> None:
        """Takes one frame into the estimate; see ``models.emotion.neutral_face.update``."""
        known = self._subjects.get(subject_id)
        if known is None:  # forgotten while its batch was at work for long
            return
        known.estimate = neutral_face.update(
            known.estimate, points, population_probabilities, captured_at_us, usable=usable
        )
        elapsed_s = abs(known.estimate.read_at_us - known.kept_read_at_us) / 1e6
        if elapsed_s >= REWRITE_EVERY_S:
            self._keep_in_redis(subject_id, known)

    def writing(self) -> AbstractAsyncContextManager[None]:
        """Writes what is new each second, until the block ends."""
        return self._behind.writing(WRITE_EVERY_S, self._forget_and_count)

    async def write(self) -> None:
        """Writes what Redis does not have yet, if it answers."""
        await self._behind.write()

    async def _remember(self, subject_ids: Mapping[str, None]) -> None:
        now_s = time.monotonic()
        for subject_id in subject_ids:
            known = self._subjects.setdefault(subject_id, _Known(neutral_face.NOTHING, False, now_s, now_s))
            known.seen_at_s = now_s
            self._subjects.move_to_end(subject_id)
            if now_s - known.written_at_s > self._refresh_s:  # seen, but without a new reading: or it expires
                self._keep_in_redis(subject_id, known)
        while len(self._subjects) > max(MAX_SUBJECTS, len(subject_ids)):
            self._subjects.popitem(last=False)
        unasked = [subject_id for subject_id in subject_ids if not self._subjects[subject_id].asked]
        found = await self._behind.ask(self._store.read, unasked) if unasked else None
        if found is None:
            return
        for subject_id in unasked:
            known = self._subjects[subject_id]
            known.asked = True
            # What was not written yet is newer. And while Redis was away, something may have been learnt.
            face = self._behind.unwritten.get(subject_id) or found.get(subject_id)
            kept = face and self._estimate(face)
            if kept and kept.weight > known.estimate.weight:
                known.estimate = kept._replace(pending=known.estimate.pending)
                known.kept_read_at_us = kept.read_at_us

    def _keep_in_redis(self, subject_id: str, known: _Known) -> None:
        state = known.estimate
        if state.mean is None:
            return
        known.written_at_s = time.monotonic()
        known.kept_read_at_us = state.read_at_us
        self._behind.put(
            subject_id,
            neutral_face_store.pack(
                self._landmark_set.id, state.mean, state.weight, state.readings, state.read_at_us
            ),
        )

    def _estimate(self, face: NeutralFace) -> neutral_face.Estimate | None:
        set_ = self._landmark_set
        mean = neutral_face_store.unpack_points(face, set_.id, len(set_))
        if mean is None:
            return None
        return neutral_face.restored(mean, face.weight, face.readings, face.read_at_us)

    def _forget_and_count(self) -> None:
        self._forget_idle()
        metrics.own_neutral_subjects.set(
            sum(neutral_face.current(known.estimate) is not None for known in self._subjects.values())
        )

    def _forget_idle(self) -> None:
        """Forgets who was not seen for long; not while Redis is away: then memory is all that there is."""
        while self._behind.answers and self._subjects:
            subject_id, known = next(iter(self._subjects.items()))
            if time.monotonic() - known.seen_at_s < IDLE_S:
                return
            del self._subjects[subject_id]
