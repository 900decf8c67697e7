"""How long a trained model takes for one face, explanation included, as the classify stage runs it."""

import tempfile
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from models.emotion.classifier import Classifier
from models.release.onnx_export import export
from models.training.training_recipe import TrainedModel
from workers.figures.timing import Spread, alternate

BATCHES = (1, 32)


class TimePerFace(msgspec.Struct, frozen=True):
    landmarks: int
    ms_batch_1: Spread
    ms_batch_32: Spread


def time_per_face(models: list[TrainedModel], seconds: float = 0.5) -> list[TimePerFace]:
    """Wall-clock time of ONNX Runtime on one thread. The models take turns: a busy machine hits all alike."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = [Classifier.load(export(model, Path(folder))) for model in models]
    ms: list[dict[int, Spread]] = [{} for _ in models]
    for batch in BATCHES:
        calls = {
            str(place): partial(
                classifier.classify, np.repeat(classifier.population_baseline[None] + 0.01, batch, axis=0)
            )
            for place, classifier in enumerate(loaded)
        }
        for place, costs in alternate(calls, seconds).items():
            ms[int(place)][batch] = Spread.of([cost.wall_ms / batch for cost in costs])
    return [
        TimePerFace(len(model.landmark_set), *(spread[batch] for batch in BATCHES))
        for model, spread in zip(models, ms, strict=True)
    ]
