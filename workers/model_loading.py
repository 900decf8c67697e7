"""What stages and commands need before they can work: the model, its landmark set, Redis."""

import asyncio
import time

from models.emotion.classifier import Classifier
from models.faces import landmark_set
from models.faces.landmark_set import LandmarkSet
from streams import logs
from streams.errors import ModelUnusable, ServiceUnavailable
from streams.settings import Settings
from streams.store.subject_state import SubjectStore

log = logs.get("mien.stage")


def load_classifier(settings: Settings) -> Classifier:
    """The model in use: the file of MIEN_MODEL_PATH, else the shipped one.

    Raises:
        ModelUnusable: if the file is missing, corrupt or foreign.
    """
    from models.emotion import classifier

    try:
        return classifier.Classifier.load(settings.model_path or classifier.SHIPPED)
    except (OSError, ValueError) as exc:
        raise ModelUnusable(f"The model cannot be used: {exc}") from exc


def load_landmark_set(settings: Settings) -> LandmarkSet:
    """The landmark set that lies beside the model in use.

    Raises:
        ModelUnusable: if its file is missing or corrupt.
    """
    path = (
        settings.model_path.parent / landmark_set.SHIPPED.name
        if settings.model_path
        else landmark_set.SHIPPED
    )
    try:
        return LandmarkSet.load(path)
    except (OSError, ValueError) as exc:
        raise ModelUnusable(f"The landmark set cannot be used: {exc}") from exc


async def wait_for_redis(store: SubjectStore, timeout_s: float) -> None:
    """Returns when Redis answers.

    Raises:
        AccessDenied: at once, if the credentials are refused.
        RedisUnavailable: if it did not answer in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            await store.ping()
        except ServiceUnavailable as exc:
            if not exc.retriable or time.monotonic() >= deadline_s:
                raise
            log.warning("redis is not there yet", error=str(exc))
            await asyncio.sleep(1)
        else:
            return
