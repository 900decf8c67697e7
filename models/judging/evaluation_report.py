"""Everything that `mien evaluate` reports about one classifier on one data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, I32
from models.emotion.classifier import Classification, Classifier
from models.emotion.operating_points import ACCURATE, OWN, OperatingPoint
from models.emotion.probabilities import even_prior_bias, only, with_bias
from models.judging.accuracy_figures import Figures, auc, figures
from models.judging.attribution_curves import AttributionQuality, attribution_quality
from models.samples.dataset import EMOTIONS, NO_MAJORITY, Samples
from models.samples.own_neutral import of_one_sitting, own_neutral_faces

Neutral = Literal["own", "own-mean", "population"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is and how far it goes."""

UNBIASED = "unbiased"
"""The network for own neutral faces, without an operating point's bias."""
PRESENT_ONLY = "_present_classes"  # added to an operating point's name when absent classes are ruled out
EVEN = "even_present_classes"
_CHUNK = 512  # faces classified at once


class NothingLeft(ValueError):
    """None of a data set's faces can be evaluated."""


class EvaluationOptions(NamedTuple):
    """What an evaluation looks at."""

    neutral: Neutral = "population"
    operating_point: str = ACCURATE  # what robustness is measured at
    noises: tuple[float, ...] = (0.001, 0.002)  # of the landmarks, in inter-ocular distances
    curve_faces: int = 500  # whose attributions are held against random order, at most
    random_orders: int = 3
    seed: int = 0


class Robustness(msgspec.Struct, frozen=True):
    """What a small change of the points costs, in percentage points."""

    change: str
    noise: float | None  # standard deviation of each coordinate, in inter-ocular distances
    accuracy: float
    accuracy_change_points: float
    balanced_accuracy_change_points: float
    same_answer: float  # share of the faces


class LeftOut(msgspec.Struct, frozen=True):
    """Faces of the part that are not evaluated."""

    without_majority: int  # nothing that more than half of the judges saw
    without_own_neutral: int  # no other neutral face of the same person; 0 unless own neutrals are wanted


class TagFigures(msgspec.Struct, frozen=True):
    """Warped faces of one kind at one operating point."""

    tag: str
    operating_point: str
    faces: int
    neutral_faces: int
    neutral_named_otherwise: float | None  # share of them; None without any
    recall: dict[str, float]  # by emotion shown
    auc: dict[str, float]  # likewise, against all faces of the file that show another emotion


class Evaluation(msgspec.Struct, frozen=True):
    """One classifier on one data set."""

    data_set: str
    part: Literal["held-out", "all", "pooled"]
    neutral: Neutral
    own_network: bool  # whether the network for own neutral faces answered
    operating_point: str  # what robustness is measured at
    faces: int
    left_out: LeftOut
    classes_present: list[str]
    operating_points: dict[str, Figures]
    population: dict[str, Figures] | None  # the same faces against the population's neutral face
    recall_gain: dict[str, dict[str, float]] | None  # of own over population, by operating point and class
    completeness_error_max: float
    robustness: list[Robustness]
    attribution: AttributionQuality | None
    mean_attributions: dict[str, list[float]]  # by answer, one number a landmark
    mean_recall_of_seven: dict[str, float]  # by operating point, as if contempt were not known
    by_tag: list[TagFigures]  # of a file of warped faces


class Answers(NamedTuple):
    """What was answered, to be pooled with the answers on other data sets."""

    label: I32  # [N]
    probabilities: F32  # [N, C]
    against_population: F32 | None  # [N, C], where `probabilities` are against own neutral faces
    own_network: bool  # whether the network for these answered


def evaluate(
    classifier: Classifier,
    samples: Samples,
    *,
    held_out: bool,
    options: EvaluationOptions,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Evaluation, Answers]:
    """Evaluate on one file's samples, which have the classifier's landmarks; `held_out`: on that part only.

    Raises NothingLeft when no face is left, ValueError for a model of other emotions or points.
    """
    name = samples.sources[0]
    if classifier.emotions != EMOTIONS:
        raise ValueError(f"the model knows {classifier.emotions}, the data is labelled with {EMOTIONS}")
    part = samples.validation if held_out else np.ones(len(samples), np.bool_)
    chosen = part & (samples.label != NO_MAJORITY)
    without_majority = int((part & ~chosen).sum())
    baseline = np.broadcast_to(classifier.population_baseline, samples.points.shape)
    without_own = 0
    own_network = options.neutral == "own" and classifier.knows_own_neutral_faces and of_one_sitting(samples)
    if options.neutral != "population":
        to_population = options.neutral == "own" and not own_network
        drawn_to = classifier.population_baseline if to_population else None
        baseline, known = own_neutral_faces(samples, drawn_to)
        without_own = int((chosen & ~known).sum())
        chosen &= known
    if not chosen.any():
        why = (
            "it holds none"
            if not len(samples)
            else "no person has another neutral face"
            if without_own
            else "none has a majority label"
            if part.any()
            else "the model was trained on this data, and none of it is held out"
        )
        raise NothingLeft(f"{name}: no face is left to evaluate: {why}")
    points, baseline, label = samples.points[chosen], baseline[chosen], samples.label[chosen]

    result = _classify(classifier, points, baseline, progress, own=own_network)
    against_population = None
    if options.neutral != "population":
        population = np.broadcast_to(classifier.population_baseline, points.shape)
        against_population = _classify(classifier, points, population, progress).probabilities
    answers = Answers(label, result.probabilities, against_population, own_network)
    compared = _compared(classifier, answers)
    point = _point(classifier, options.operating_point, own=own_network)
    bias = bias_of(classifier, point)
    rng = np.random.default_rng(options.seed)
    sample = np.sort(rng.permutation(len(points))[: options.curve_faces])
    evaluation = Evaluation(
        data_set=name,
        part="held-out" if held_out else "all",
        neutral=options.neutral,
        own_network=own_network,
        operating_point=point,
        faces=len(label),
        left_out=LeftOut(without_majority, without_own),
        completeness_error_max=float(result.completeness_error.max()),
        robustness=_robustness(classifier, points, baseline, answers, bias, options, progress),
        attribution=attribution_quality(
            lambda p, b: _classify(classifier, p, b, own=own_network).probabilities,
            points[sample],
            baseline[sample],
            result.attributions[sample],
            result.target[sample],
            random_orders=options.random_orders,
            seed=options.seed,
            progress=lambda done, total: progress("attribution against random order", done, total),
        )
        if len(sample)
        else None,
        mean_attributions=_mean_attributions(classifier.emotions, result),
        mean_recall_of_seven=_mean_recall_of_seven(classifier, answers),
        by_tag=_by_tag(classifier, answers, samples.tag[chosen]),
        classes_present=compared.classes_present,
        operating_points=compared.operating_points,
        population=compared.population,
        recall_gain=compared.recall_gain,
    )
    return evaluation, answers


def pooled(classifier: Classifier, parts: Sequence[tuple[Evaluation, Answers]]) -> Evaluation:
    """The figures of several data sets together, which one network answered; what needs the points is told by
    data set only."""
    evaluations, answers = zip(*parts, strict=True)
    against = [a.against_population for a in answers if a.against_population is not None]
    together = Answers(
        np.concatenate([a.label for a in answers]),
        np.concatenate([a.probabilities for a in answers]),
        np.concatenate(against) if against else None,
        answers[0].own_network,
    )
    compared = _compared(classifier, together)
    return Evaluation(
        data_set="pooled",
        part="pooled",
        neutral=evaluations[0].neutral,
        own_network=together.own_network,
        operating_point=evaluations[0].operating_point,
        faces=len(together.label),
        left_out=LeftOut(
            sum(e.left_out.without_majority for e in evaluations),
            sum(e.left_out.without_own_neutral for e in evaluations),
        ),
        completeness_error_max=max(e.completeness_error_max for e in evaluations),
        robustness=[],
        attribution=None,
        mean_attributions={},
        mean_recall_of_seven=_mean_recall_of_seven(classifier, together),
        by_tag=[],
        classes_present=compared.classes_present,
        operating_points=compared.operating_points,
        population=compared.population,
        recall_gain=compared.recall_gain,
    )


def operating_points(
    classifier: Classifier, probabilities: F32, label: I32, *, own: bool = False
) -> dict[str, Figures]:
    """Figures at the artifact's operating points; at the same without the classes that no label names; and at
    one for which all classes present are equally likely beforehand. `own`: of the network for own faces."""
    classes = classifier.emotions
    present = np.isin(np.arange(len(classes)), label)
    points = _points(classifier, own=own)
    first = next(iter(points.values())).min_confidence
    biases = {name: (point.bias, point.min_confidence) for name, point in points.items()}
    biases |= {
        name + PRESENT_ONLY: (bias + only(present), threshold) for name, (bias, threshold) in biases.items()
    }
    biases[EVEN] = (even_prior_bias(probabilities, present), first)
    return {
        name: figures(with_bias(probabilities, bias), label, classes, threshold)
        for name, (bias, threshold) in biases.items()
    }


def bias_of(classifier: Classifier, operating_point: str) -> F32:
    """The bias [C] of one of the artifact's operating points. ValueError when it has no such point."""
    points = classifier.operating_points | classifier.own_operating_points
    if operating_point not in points:
        known = ", ".join(points)
        raise ValueError(f"the model has no operating point {operating_point!r}; it has {known}")
    return points[operating_point].bias


def _points(classifier: Classifier, *, own: bool) -> dict[str, OperatingPoint]:
    """The points of one of the networks, the usual one first; of that for own faces also without a bias."""
    if not own:
        return classifier.operating_points
    none = np.zeros(len(classifier.emotions), np.float32)
    usual = classifier.own_operating_points[OWN]
    return classifier.own_operating_points | {UNBIASED: OperatingPoint(none, usual.min_confidence)}


def _point(classifier: Classifier, wanted: str, *, own: bool) -> str:
    """The wanted point, if it is one of the network that answers, else that network's usual one."""
    points = classifier.own_operating_points if own else classifier.operating_points
    return wanted if wanted in points else OWN if own else ACCURATE


def recall_gain(own: Mapping[str, Figures], population: Mapping[str, Figures]) -> dict[str, dict[str, float]]:
    """Recall with own neutral faces minus recall with the population's, by operating point and class."""
    return {
        point: {
            emotion: ours.recall - theirs.recall
            for emotion, ours in figure.by_class.items()
            if ours.recall is not None and (theirs := population[point].by_class[emotion]).recall is not None
        }
        for point, figure in own.items()
    }


class _Compared(NamedTuple):
    classes_present: list[str]
    operating_points: dict[str, Figures]
    population: dict[str, Figures] | None
    recall_gain: dict[str, dict[str, float]] | None


def _compared(classifier: Classifier, answers: Answers) -> _Compared:
    present = [name for index, name in enumerate(classifier.emotions) if (answers.label == index).any()]
    own = answers.own_network
    ours = operating_points(classifier, answers.probabilities, answers.label, own=own)
    if answers.against_population is None:
        return _Compared(present, ours, None, None)
    theirs = operating_points(classifier, answers.against_population, answers.label)
    if own:  # another network's points: the population's usual one stands beside each
        starred = {name: ACCURATE + PRESENT_ONLY for name in ours if name.endswith(PRESENT_ONLY)}
        beside = dict.fromkeys(ours, ACCURATE) | starred | {EVEN: EVEN}
        theirs = {name: theirs[beside[name]] for name in ours}
    return _Compared(present, ours, theirs, recall_gain(ours, theirs))


def _classify(
    classifier: Classifier,
    points: F32,
    baseline: F32,
    progress: Progress | None = None,
    *,
    own: bool = False,
) -> Classification:
    parts = []
    for start in range(0, len(points), _CHUNK):
        end = min(start + _CHUNK, len(points))
        mine = np.full(end - start, own)
        parts.append(classifier.classify(points[start:end], baseline[start:end], own=mine))
        if progress:
            progress("classifying", end, len(points))
    return Classification(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _robustness(
    classifier: Classifier,
    points: F32,
    baseline: F32,
    answers: Answers,
    bias: F32,
    options: EvaluationOptions,
    progress: Progress,
) -> list[Robustness]:
    rng = np.random.default_rng(options.seed)
    changes: list[tuple[str, float | None, F32]] = [
        (f"noise {noise:g}", noise, points + rng.normal(0, noise, points.shape).astype(np.float32))
        for noise in options.noises
    ]
    changes.append(("float16", None, points.astype(np.float16).astype(np.float32)))
    label = answers.label
    before = with_bias(answers.probabilities, bias)
    plain = figures(before, label, classifier.emotions, 0)
    rows = []
    for done, (change, noise, changed) in enumerate(changes, start=1):
        again = _classify(classifier, changed, baseline, own=answers.own_network)
        after = with_bias(again.probabilities, bias)
        now = figures(after, label, classifier.emotions, 0)
        rows.append(
            Robustness(
                change=change,
                noise=noise,
                accuracy=now.accuracy,
                accuracy_change_points=100 * (now.accuracy - plain.accuracy),
                balanced_accuracy_change_points=100 * (now.balanced_accuracy - plain.balanced_accuracy),
                same_answer=float((after.argmax(axis=1) == before.argmax(axis=1)).mean()),
            )
        )
        progress("changed points", done, len(changes))
    return rows


def _mean_recall_of_seven(classifier: Classifier, answers: Answers) -> dict[str, float]:
    """Over the emotions that have faces, by operating point; contempt is neither asked for nor answered."""
    known = np.array([emotion != "contempt" for emotion in classifier.emotions])
    asked = known[answers.label]
    if not asked.any():
        return {}
    return {
        name: figures(
            with_bias(answers.probabilities[asked], point.bias + only(known)),
            answers.label[asked],
            classifier.emotions,
            0,
        ).balanced_accuracy
        for name, point in _points(classifier, own=answers.own_network).items()
    }


def _by_tag(classifier: Classifier, answers: Answers, tag: NDArray[np.str_]) -> list[TagFigures]:
    if not (tag != "").any():
        return []
    neutral = classifier.emotions.index("neutral")
    rows = []
    for name, point in _points(classifier, own=answers.own_network).items():
        probabilities = with_bias(answers.probabilities, point.bias)
        answer = probabilities.argmax(axis=1)
        for one in np.unique(tag):
            here = tag == one
            shown = {
                emotion: here & (answers.label == index)
                for index, emotion in enumerate(classifier.emotions)
                if (here & (answers.label == index)).any()
            }
            at_rest = here & (answers.label == neutral)
            areas = {
                emotion: auc(probabilities[mine | others, index], mine[mine | others])
                for emotion, mine in shown.items()
                if (others := answers.label != (index := classifier.emotions.index(emotion))).any()
            }
            rows.append(
                TagFigures(
                    tag=str(one),
                    operating_point=name,
                    faces=int(here.sum()),
                    neutral_faces=int(at_rest.sum()),
                    neutral_named_otherwise=float((answer[at_rest] != neutral).mean())
                    if at_rest.any()
                    else None,
                    recall={
                        emotion: float((answer[mine] == classifier.emotions.index(emotion)).mean())
                        for emotion, mine in shown.items()
                    },
                    auc={emotion: area for emotion, area in areas.items() if area is not None},
                )
            )
    return rows


def _mean_attributions(emotions: Sequence[str], result: Classification) -> dict[str, list[float]]:
    return {
        emotion: result.attributions[result.target == index].mean(axis=0).tolist()
        for index, emotion in enumerate(emotions)
        if (result.target == index).any()
    }
