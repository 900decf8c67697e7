"""What stages and commands need before they can work: the model, its landmark set, the face engine."""

from typing import TYPE_CHECKING

from models.faces import landmark_set
from models.faces.landmark_set import LandmarkSet
from streams import logs
from streams.errors import ModelUnusable
from streams.settings import Settings

if TYPE_CHECKING:
    from models.emotion.classifier import Classifier
    from models.emotion.model_reference import Reference
    from models.faces.litert_engine import LiteRtEngine


log = logs.get("mien.model")


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


def load_reference(settings: Settings, classifier: "Classifier") -> "Reference | None":
    """What the model's answers were on the faces that its card tells of; None where that is not known.

    A model works without. So what is wrong with the file is only logged.
    """
    from models.emotion import model_reference
    from models.emotion.classifier import SHIPPED

    path = (settings.model_path or SHIPPED).with_name(model_reference.FILE)
    try:
        return model_reference.load(path, classifier)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        log.warning("no reference to compare answers with", error=str(exc))
        return None


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
