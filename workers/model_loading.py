"""What stages and commands need before they can work: the model, its landmark set, the face engine."""

from typing import TYPE_CHECKING

from models.faces import landmark_set
from models.faces.landmark_set import LandmarkSet
from streams.errors import ModelUnusable
from streams.settings import Settings

if TYPE_CHECKING:
    from models.emotion.classifier import Classifier
    from models.faces.litert_engine import LiteRtEngine


def load_classifier(settings: Settings) -> "Classifier":
    """The model in use: the file of MIEN_MODEL_PATH, else the shipped one.

    Raises:
        ModelUnusable: if the file is missing, corrupt or foreign.
    """
    from models.emotion import classifier  # brings ONNX Runtime, which the landmarks stage does not need

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


def open_engine() -> "LiteRtEngine":
    """The engine that finds faces; close it at the end, or use it in a ``with`` block.

    Raises:
        ModelUnusable: if its networks are nowhere, or are others.
    """
    from models.faces.litert_engine import (
        LiteRtEngine,  # slow to import; what is wrong before is told at once
    )

    try:
        return LiteRtEngine()
    except (OSError, ValueError) as exc:
        raise ModelUnusable(f"Faces cannot be found: {exc}") from exc
