"""A trained model as an .npz file: what `mien train` leaves and `mien export` reads."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.landmark_set import LandmarkSet
from models.network import Network
from models.train import TrainedModel

_NETWORK = "network."


def save(trained: TrainedModel, path: Path) -> None:
    """Raises OSError when the file cannot be written."""
    np.savez(
        path,
        name=trained.name,
        landmark_set=trained.landmark_set.to_json(),
        emotions=trained.emotions,
        population_baseline=trained.population_baseline,
        min_confidence=trained.min_confidence,
        trained_on=trained.trained_on,
        **{_NETWORK + name: value for name, value in trained.network._asdict().items()},
    )


def load(path: Path) -> TrainedModel:
    """Raises OSError when the file cannot be read, ValueError when `save` did not write it."""
    try:
        with path.open("rb") as file, np.load(file) as z:
            return TrainedModel(
                name=str(z["name"]),
                network=Network(**{name: _scalar_or_array(z[_NETWORK + name]) for name in Network._fields}),
                landmark_set=LandmarkSet.from_json(str(z["landmark_set"])),
                emotions=tuple(z["emotions"].tolist()),
                population_baseline=z["population_baseline"],
                min_confidence=float(z["min_confidence"]),
                trained_on=tuple(z["trained_on"].tolist()),
            )
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as exc:
        raise ValueError(f"{path} is no file that `mien train` wrote: {exc}") from exc


def _scalar_or_array(value: NDArray[np.float32]) -> Any:
    return value.item() if value.ndim == 0 else value
