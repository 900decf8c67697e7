"""What the handlers of `mien live` work with, and what they raise instead of an answer."""

import asyncio
import time
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from starlette.exceptions import HTTPException

from streams.health import Health
from streams.settings import Settings
from streams.store.coverage_store import CoverageStore
from streams.store.neutral_face_store import NeutralFaceStore
from streams.store.subject_state import Subject, SubjectStore
from workers.access.access_file import AccessBook
from workers.access.signed_tokens import Signer
from workers.live_feed.activity_book import ActivityBook
from workers.live_feed.activity_read_back import ActivityReadBack
from workers.live_feed.live_feed import LiveFeed
from workers.live_feed.live_reader import LiveReader
from workers.live_feed.review_book import ReviewBook
from workers.live_feed.topic_history import TopicHistory
from workers.live_pictures.frame_reader import FrameReader
from workers.live_pictures.live_pictures import LivePictures
from workers.live_pictures.look_log import LookLog
from workers.live_pictures.picture_book import PictureBook

SUBJECTS_FRESH_S: Final = 0.5
"""So long an answer of Redis serves everybody who asks."""


class Live:
    """One `mien live`."""

    def __init__(
        self,
        settings: Settings,
        access: AccessBook,
        signer: Signer,
        health: Health,
        *,
        producer: AIOKafkaProducer,
        subjects: SubjectStore,
        neutral_faces: NeutralFaceStore,
        coverage: CoverageStore,
    ) -> None:
        self.settings = settings
        self.access = access
        self.signer = signer
        self.health = health
        self.producer = producer
        self.neutral_faces = neutral_faces
        self.coverage = coverage
        self.feed = LiveFeed(ring_bytes=settings.live_ring_bytes, keep_s=settings.live_keep_s)
        self.book = ReviewBook()
        self.frames = PictureBook()
        self.pictures = LivePictures(settings, self.frames, FrameReader(settings, self.frames, producer))
        self.look_log = LookLog()
        self.activity = ActivityBook()
        self.past = ActivityReadBack(settings, self.activity)
        self.reader = LiveReader(
            settings, self.feed, self.book, self.activity, health, self.pictures.take_face
        )
        self.history = TopicHistory(settings, producer)
        self.streams: set[object] = set()
        """Open ones."""
        self.stopping = False
        self._subjects = subjects
        self._found: list[Subject] = []
        self._found_s = -SUBJECTS_FRESH_S
        self._asking = asyncio.Lock()

    async def subjects(self) -> list[Subject]:
        """All but the probe, as Redis has them now, or had them a moment ago.

        Raises:
            ServiceUnavailable: if Redis does not answer.
        """
        async with self._asking:
            if time.monotonic() - self._found_s >= SUBJECTS_FRESH_S:
                self._found = await self._subjects.subjects()
                self._found_s = time.monotonic()
            return self._found


def refused(status: int, detail: str, **headers: str) -> HTTPException:
    """An answer that is none, as problem+json: raise it."""
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPException(status, detail, named or None)
