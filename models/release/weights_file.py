"""A trained model as an .npz file: what `mien train` leaves and `mien export` reads."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.emotion import operating_points
from models.emotion.operating_points import OWN
from models.faces.landmark_set import LandmarkSet
from models.training.network import Network
from models.training.trained_model import OwnHead, TrainedModel

_NETWORK, _OWN_NETWORK = "network.", "own_network."


def save(trained: TrainedModel, path: Path) -> None:
    """Write a trained model. Raises OSError when the file cannot be written."""
    np.savez(
        path,
        name=trained.name,
        landmark_set=trained.landmark_set.to_json(),
        emotions=trained.emotions,
        population_baseline=trained.population_baseline,
        operating_points=operating_points.to_json(trained.operating_points),
        trained_on=trained.trained_on,
        split_seed=trained.split_seed,
        **{_NETWORK + name: value for name, value in trained.network._asdict().items()},
        **_own(trained),
    )


def load(path: Path) -> TrainedModel:
    """Read a trained model. OSError when the file cannot be read, ValueError when `save` did not write it."""
    try:
        with path.open("rb") as file, np.load(file) as z:
            emotions = tuple(z["emotions"].tolist())
            return TrainedModel(
                name=str(z["name"]),
                network=_network(z, _NETWORK),
                landmark_set=LandmarkSet.from_json(str(z["landmark_set"])),
                emotions=emotions,
                population_baseline=z["population_baseline"],
                operating_points=operating_points.from_json(str(z["operating_points"]), len(emotions)),
                trained_on=tuple(z["trained_on"].tolist()),
                split_seed=int(z["split_seed"]),
                own=_own_head(z, len(emotions)),
            )
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as exc:
        raise ValueError(f"{path} is no file that `mien train` wrote: {exc}") from exc


def _own(trained: TrainedModel) -> dict[str, Any]:
    if trained.own is None:
        return {}
    points = operating_points.to_json(trained.own.operating_points)
    arrays = {_OWN_NETWORK + name: value for name, value in trained.own.network._asdict().items()}
    return {"own_operating_points": points, **arrays}


def _own_head(z: Mapping[str, NDArray[Any]], classes: int) -> OwnHead | None:
    if "own_operating_points" not in z:
        return None
    points = operating_points.from_json(str(z["own_operating_points"]), classes, needed=OWN)
    return OwnHead(_network(z, _OWN_NETWORK), points)


def _network(z: Mapping[str, NDArray[Any]], prefix: str) -> Network:
    return Network(**{name: _scalar_or_array(z[prefix + name]) for name in Network._fields})


def _scalar_or_array(value: NDArray[np.float32]) -> Any:
    return value.item() if value.ndim == 0 else value
