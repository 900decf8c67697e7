"""How good a classifier is by the number of its landmarks and the way they were chosen."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.faces.canonical import POINTS
from models.faces.landmark_set import ALL, LandmarkSet, select
from models.judging.accuracy_figures import figures
from models.samples.dataset import NO_MAJORITY, Samples
from models.training import network
from models.training.landmark_selection import greedy, shuffled
from models.training.training_recipe import (
    TrainConfig,
    TrainedModel,
    informed_importance,
    landmark_importance,
    train,
)

Method = Literal["ig", "random", "greedy", "informed"]
METHODS: Final = get_args(Method)
EVERY: Final = "all"  # the method of the set of all 468 points
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is and how far it goes."""


class Scores(msgspec.Struct, frozen=True):
    """Of one network on held-out faces."""

    faces: int
    accuracy: float
    balanced_accuracy: float


class Cell(msgspec.Struct, frozen=True):
    """One network, trained on one landmark set and scored on held-out faces."""

    method: str
    seed: int | None  # of a random set
    landmarks: int
    landmark_set: str
    scores: Scores
    by_data_set: dict[str, Scores]


class Trained(NamedTuple):
    """A network with its scores."""

    cell: Cell
    model: TrainedModel


class Plan(NamedTuple):
    """Which landmark sets to try."""

    sizes: Sequence[int] = (468, 256, 128, 64, 32, 16)
    methods: Sequence[str] = METHODS
    seeds: int = 3  # how many random sets of each size


def check(plan: Plan) -> None:
    """Looks whether a plan can be followed; ValueError, which says why, when it cannot."""
    if wrong := [size for size in plan.sizes if not 1 <= size <= POINTS]:
        raise ValueError(f"a landmark set has 1 to {POINTS} points, not {wrong[0]}")
    if unknown := [method for method in plan.methods if method not in METHODS]:
        raise ValueError(f"unknown method {unknown[0]!r}; known are {', '.join(METHODS)}")
    if not plan.sizes or not plan.methods:
        raise ValueError("name at least one size and one method")
    if "random" in plan.methods and plan.seeds < 1:
        raise ValueError(f"random sets need at least 1 seed, not {plan.seeds}")


def curve(
    config: TrainConfig,
    samples: Samples,
    plan: Plan,
    progress: Progress = lambda _what, _done, _total: None,
) -> Iterator[Trained]:
    """Train and score one network a landmark set, the largest sets first.

    All choices are made with training faces only, those of ig and informed by a first network on all points.
    Held-out faces score the networks, after calibrating each with a scale and a bias a class. Raises
    ValueError for a plan that cannot be followed, and as `train` does.
    """
    check(plan)
    sizes = sorted(set(plan.sizes), reverse=True)
    smaller = [size for size in sizes if size < POINTS]
    asks = {"ig", "informed"} & set(plan.methods)  # these ask a network on all points
    rankings_of = len({*asks, "greedy"} & set(plan.methods)) + ("random" in plan.methods) * plan.seeds
    total = (POINTS in sizes or bool(asks)) + rankings_of * len(smaller)
    done = 0

    def fit(what: str, landmark_set: LandmarkSet) -> TrainedModel:
        nonlocal done
        chosen = samples if landmark_set == ALL else samples.take(landmark_set)
        steps = config.steps
        model = train(
            replace(config, landmarks=len(landmark_set)),
            chosen,
            lambda step, _steps, _loss: progress(what, done * steps + min(step, steps), total * steps),
        )
        done += 1
        return model

    rankings: dict[tuple[str, int | None], NDArray[np.float32]] = {}
    if POINTS in sizes or asks:
        model = fit("all points", ALL)
        if POINTS in sizes:
            yield Trained(_cell(EVERY, None, model, samples), model)
        if "ig" in plan.methods and smaller:
            rankings["ig", None] = landmark_importance(model, samples)
        if "informed" in plan.methods and smaller:
            rankings["informed", None] = informed_importance(model, samples, max(smaller))
    if "greedy" in plan.methods and smaller:
        progress("greedy ranking", done * config.steps, total * config.steps)
        rankings["greedy", None] = greedy(samples, max(smaller))
    if "random" in plan.methods:
        rankings |= {("random", seed): shuffled(seed) for seed in range(plan.seeds)}
    for size in smaller:
        for (method, seed), importance in rankings.items():
            name = method if seed is None else f"{method}-s{seed}-"
            landmark_set = select(f"{name}{size}", importance, size)
            model = fit(f"{size} points, {method}", landmark_set)
            yield Trained(_cell(method, seed, model, samples), model)


def best(trained: Sequence[Trained], landmarks: int) -> Trained:
    """The most accurate of that size, the more balanced of equals. Raises ValueError when there is none."""
    candidates = [one for one in trained if one.cell.landmarks == landmarks]
    if not candidates:
        raise ValueError(f"no set of {landmarks} landmarks was tried: add {landmarks} to the sizes")
    return max(candidates, key=lambda one: (one.cell.scores.accuracy, one.cell.scores.balanced_accuracy))


def verdict(cells: Sequence[Cell], landmarks: int) -> str | None:
    """Whether Integrated Gradients chose better than chance did; None unless both were tried."""
    ig = [cell.scores.accuracy for cell in cells if (cell.method, cell.landmarks) == ("ig", landmarks)]
    random = [
        cell.scores.accuracy for cell in cells if (cell.method, cell.landmarks) == ("random", landmarks)
    ]
    if not ig or not random:
        return None
    low, high = min(random), max(random)
    if ig[0] > high:
        word = "better than every random set" if len(random) > 1 else "better than the random set"
    elif ig[0] < low:
        word = "worse than every random set" if len(random) > 1 else "worse than the random set"
    else:
        word = "no better than chance"
    return f"{landmarks} landmarks: IG {ig[0]:.3f}, random {low:.3f} to {high:.3f}: IG is {word}"


def _cell(method: str, seed: int | None, model: TrainedModel, samples: Samples) -> Cell:
    held_out = samples.validation & (samples.label != NO_MAJORITY)
    by_data_set = {
        name: _score(model, samples, held_out & (samples.source == number))
        for number, name in enumerate(samples.sources)
        if (held_out & (samples.source == number)).any()
    }
    return Cell(
        method,
        seed,
        len(model.landmark_set),
        model.landmark_set.id,
        _score(model, samples, held_out),
        by_data_set,
    )


def _score(model: TrainedModel, samples: Samples, chosen: NDArray[np.bool_]) -> Scores:
    points = model.landmark_set.take(samples.points[chosen])
    p = network.probabilities(model.network, points - model.population_baseline)
    f = figures(p, samples.label[chosen], model.emotions, 0)
    return Scores(f.faces, f.accuracy, f.balanced_accuracy)
