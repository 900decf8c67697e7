"""What training makes and an artifact holds."""

from dataclasses import dataclass

from models.arrays import F32
from models.emotion.operating_points import ACCURATE, OperatingPoint
from models.faces.landmark_set import LandmarkSet
from models.training.network import Network


@dataclass(frozen=True)
class OwnHead:
    """A second network, for faces that are compared with their subject's own neutral face."""

    network: Network
    operating_points: dict[str, OperatingPoint]  # `own` and `watchful`


@dataclass(frozen=True)
class TrainedModel:
    """All that an artifact holds. K points, C emotions."""

    name: str
    network: Network
    landmark_set: LandmarkSet
    emotions: tuple[str, ...]
    population_baseline: F32  # [K, 3]: the mean neutral face of the training data
    operating_points: dict[str, OperatingPoint]
    trained_on: tuple[str, ...]  # names of the training files
    split_seed: int  # decides which faces are held out, where a file does not say it itself
    own: OwnHead | None = None  # without it the one network answers for own neutral faces too

    @property
    def min_confidence(self) -> float:
        """That of the operating point `accurate`."""
        return self.operating_points[ACCURATE].min_confidence
