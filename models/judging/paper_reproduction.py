"""The seed paper's experiment: happiness and surprise on CK+, with all landmarks and with the best 128.

Di Luzio, Rosato, Panella, "An Explainable Fast Deep Neural Network for Emotion Recognition", arXiv
2407.14865. What is added: folds that no person is in twice, 128 random points as the control, and beside
the accuracy what answering "no" always would give.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace as with_fields
from numpy.typing import NDArray

from models.faces.canonical import POINTS
from models.faces.landmark_set import select
from models.judging.accuracy_figures import ClassFigures, figures
from models.samples.dataset import EMOTIONS, Samples
from models.training import network
from models.training.folds import subject_folds
from models.training.landmark_selection import shuffled
from models.training.training_recipe import TrainConfig, TrainedModel, landmark_importance, train

TARGETS: Final = ("happiness", "surprise")
LANDMARKS: Final = 128
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is and how far it goes."""


class Arm(msgspec.Struct, frozen=True):
    """One way to choose landmarks; answers of all folds together."""

    landmarks: int
    accuracy: float
    balanced_accuracy: float
    targets: dict[str, ClassFigures]
    one_vs_rest_accuracy_of_folds: dict[str, list[float]]


class Reproduction(msgspec.Struct, frozen=True):
    """The answers of all arms on the same faces."""

    faces: dict[str, int]  # by emotion
    subjects: int
    folds: int
    always_no: dict[str, float]  # one-vs-rest accuracy of never naming the emotion
    arms: dict[str, Arm]


def reproduce(
    config: TrainConfig,
    samples: Samples,
    folds: int,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Reproduction, list[TrainedModel]]:
    """Cross-validate; also the last fold's networks of all points and of the chosen ones, to be timed.

    Of each fold's training part another fold calibrates the network; the rest
    trains the network and ranks the points. Raises ValueError for fewer than three folds, too few persons, an
    unknown person or a missing emotion, and as `train` does.
    """
    if folds < 3:
        raise ValueError(f"three folds at least: to train, to calibrate and to test, not {folds}")
    for emotion in ("neutral", *TARGETS):
        if not (samples.label == EMOTIONS.index(emotion)).any():
            raise ValueError(f"no face is labelled {emotion}")
    fold = subject_folds(samples.subject, folds, config.seed)
    answers = {
        name: np.zeros((len(samples), len(EMOTIONS)), np.float32)
        for name in ("all468", f"ig{LANDMARKS}", f"random{LANDMARKS}")
    }
    models: list[TrainedModel] = []
    for number in range(folds):
        test = fold == number
        known = _part(samples, ~test, fold == (number + 1) % folds)

        def fit(chosen: Samples, done: int, number: int = number) -> TrainedModel:
            return train(
                with_fields(config, landmarks=len(chosen.landmark_set)),
                chosen,
                lambda step, steps, _loss: progress(
                    f"fold {number + 1} of {folds}", (3 * number + done) * steps + step, 3 * folds * steps
                ),
            )

        every = fit(known, 0)
        ranked = select(f"ig{LANDMARKS}", landmark_importance(every, known), LANDMARKS)
        control = select(f"random{LANDMARKS}", shuffled(config.seed + number), LANDMARKS)
        models = [every, fit(known.take(ranked), 1), fit(known.take(control), 2)]
        for model, answer in zip(models, answers.values(), strict=True):
            points = model.landmark_set.take(samples.points[test])
            answer[test] = network.probabilities(model.network, points - model.population_baseline)
    share = [float((samples.label == EMOTIONS.index(emotion)).mean()) for emotion in TARGETS]
    return (
        Reproduction(
            faces={name: int((samples.label == index).sum()) for index, name in enumerate(EMOTIONS)},
            subjects=len(np.unique(samples.subject)),
            folds=folds,
            always_no={emotion: 1 - s for emotion, s in zip(TARGETS, share, strict=True)},
            arms={
                name: _arm(POINTS if name == "all468" else LANDMARKS, answer, samples.label, fold)
                for name, answer in answers.items()
            },
        ),
        models[:2],
    )


def _part(samples: Samples, chosen: NDArray[np.bool_], calibration: NDArray[np.bool_]) -> Samples:
    """The chosen faces, those of `calibration` held out."""
    return replace(samples, validation=calibration).only(chosen)


def _arm(
    landmarks: int, answer: NDArray[np.float32], label: NDArray[np.int32], fold: NDArray[np.int32]
) -> Arm:
    together = figures(answer, label, EMOTIONS, 0)
    single = [figures(answer[fold == f], label[fold == f], EMOTIONS, 0) for f in range(int(fold.max()) + 1)]
    return Arm(
        landmarks,
        together.accuracy,
        together.balanced_accuracy,
        {emotion: together.by_class[emotion] for emotion in TARGETS},
        {emotion: [f.by_class[emotion].one_vs_rest_accuracy for f in single] for emotion in TARGETS},
    )
