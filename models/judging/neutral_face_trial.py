"""How soon a stream knows a subject's neutral face, how near it is to the true one, and what misleads it.

    python -m models.judging.neutral_face_trial warped-validation.npz

plays scripts (`SCRIPTS`) with the faces of a file that has several neutral rows a person, such as the warped
photos: rest goes over the person's quiet rows at random, speech over those tagged `speech`, blinks come in
between, an expression is one of the person's rows, held, with half of it a look before. Every look has noise
of its own: of each person another size, within `NOISE`. The answers are the model's, as in the stream.

The truth is the mean of a person's quiet neutral rows. What it cannot show: real timing, turning heads, and
noise that lasts longer than a look.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32, F64
from models.emotion import neutral_face
from models.emotion.classifier import Classifier
from models.faces.align import align
from models.samples import landmark_files
from models.samples.landmark_noise import covariance

LOOK_EVERY_S: Final = 0.3
"""As at 10 frames a second."""
NOISE: Final = (0.0035, 0.008)
"""RMS over the points, in inter-ocular distances: what real video of people shows."""
TALK: Final = "speech"
REST: Final = "neutral"

_WHITE_SHARE: Final = 0.15
_BLINKS_A_LOOK: Final = 0.02
_OTHER_REST_A_LOOK: Final = 0.1
_START_US: Final = 1_764_000_000_000_000

Script = Sequence[tuple[str, float]]
"""What is shown, one after another, and for how many seconds."""

_ROUND: Final = ("sadness", "surprise", "anger", "happiness", "fear", "contempt", "disgust")
SCRIPTS: Final[Mapping[str, Script]] = {
    "rest": [(REST, 20)],
    "rest and expressions in turn": [
        (REST, 6),
        *(part for emotion in _ROUND for part in ((emotion, 3.5), (REST, 2.5))),
        (TALK, 5),
        (REST, 2.5),
    ],
    "rest once, then expressions only": [(REST, 6), *((emotion, 4) for emotion in (*_ROUND, *_ROUND))],
    "a smile of 20 s first": [("happiness", 20), (REST, 20)],
    "speech of 10 s first": [(TALK, 10), (REST, 10)],
    "anger of 10 s first": [("anger", 10), (REST, 20)],
    "sadness of 10 s after rest": [(REST, 10), ("sadness", 10)],
    "two minutes of all": [part for _ in range(2) for e in _ROUND for part in ((REST, 6), (e, 3))],
}


class Person(NamedTuple):
    """Aligned faces of one person, [N, K, 3] each."""

    quiet: F32
    speech: F32
    blink: F32
    expressions: Mapping[str, F32]

    @property
    def rest(self) -> F32:
        """The true neutral face [K, 3]."""
        return np.asarray(self.quiet.mean(0), np.float32)


class Figures(NamedTuple):
    """What came of one script, over all people. Errors are RMS, in inter-ocular distances."""

    known_after: Mapping[str, float]  # share of people, after so many seconds of the script
    frames: float  # share of looks that are compared with the own face
    frames_worst: float  # the same of the tenth of people with the least
    error: float  # median over people, at the end
    error_worst: float  # exceeded by a tenth
    expression: float  # share of people whose neutral face is nearer to one of their expressions than to rest


def people(path: Path, classifier: Classifier) -> list[Person]:
    """Everybody in the file with two quiet neutral faces, speech, a blink and all seven expressions.

    Raises FileNotFoundError, and ValueError when the file lacks labels, tags or subjects.
    """
    arrays = landmark_files.read(path)
    if missing := {"q", "label", "subject", "tag"} - set(arrays):
        raise ValueError(f"{path}: {', '.join(sorted(missing))} missing: take a file of warped photos")
    meshes = landmark_files.unpack(arrays)
    chunks = (meshes[i : i + 2048] for i in range(0, len(meshes), 2048))
    points = np.concatenate([classifier.landmark_set.take(align(chunk).points) for chunk in chunks])
    label, tag = arrays["label"], arrays["tag"]
    found = []
    for subject in np.unique(arrays["subject"]):
        mine = arrays["subject"] == subject
        of = {emotion: points[mine & (label == emotion)] for emotion in _ROUND}
        rows = {name: points[mine & (label == REST) & (tag == name)] for name in ("", TALK, "blink")}
        person = Person(rows[""], rows[TALK], rows["blink"], of)
        if len(person.quiet) > 1 and all(map(len, (person.speech, person.blink, *of.values()))):
            found.append(person)
    if not found:
        raise ValueError(f"{path}: nobody has quiet, speaking and blinking neutral faces and all expressions")
    return found


def played(person: Person, script: Script, rng: np.random.Generator) -> F32:
    """The looks of a script [T, K, 3], without noise."""
    looks: list[F32] = []
    blink = person.blink[0] - person.rest
    end_s = 0.0
    for what, seconds in script:
        end_s += seconds
        shown = person.quiet[rng.integers(len(person.quiet))]
        if what in person.expressions:
            shown = person.expressions[what][rng.integers(len(person.expressions[what]))]
        first = True
        while len(looks) * LOOK_EVERY_S < end_s - 1e-6:
            if what == REST and rng.uniform() < _OTHER_REST_A_LOOK:
                shown = person.quiet[rng.integers(len(person.quiet))]
            elif what == TALK:
                among = person.speech if rng.uniform() < 0.75 else person.quiet
                shown = among[rng.integers(len(among))]
            look = (looks[-1] + shown) / 2 if first and looks else shown
            looks.append(look + blink if what != TALK and rng.uniform() < _BLINKS_A_LOOK else look)
            first = False
    return np.array(looks, np.float32)


def noise(classifier: Classifier, count: int, rms: float, rng: np.random.Generator) -> F32:
    """Noise of landmarks [count, K, 3] of this size; see `models.samples.landmark_noise`."""
    half = _half_of_noise(classifier)
    drawn = (rng.normal(size=(count, len(half))) @ half.T).reshape(count, -1, 3)
    return (drawn * rms).astype(np.float32)


def estimates(looks: F32, probabilities: F32) -> Iterator[F32 | None]:
    """The neutral face [K, 3] before each look, and after the last one."""
    state = neutral_face.NOTHING
    for i, (points, p) in enumerate(zip(looks, probabilities, strict=True)):
        yield neutral_face.current(state)
        at_us = _START_US + round(i * LOOK_EVERY_S * 1e6)
        state = neutral_face.update(state, points, p, at_us, usable=True)
    yield neutral_face.current(state)


def trial(everybody: Sequence[Person], script: Script, classifier: Classifier, seed: int = 0) -> Figures:
    """Plays a script with each person once. The same seed gives the same figures."""
    rng = np.random.default_rng(seed)
    errors, nearer = [], []
    for person in everybody:
        looks = played(person, script, rng)
        looks += noise(classifier, len(looks), rng.uniform(*NOISE), rng)
        faces = list(estimates(looks, classifier.classify(looks).probabilities))
        errors.append([np.nan if face is None else _rms(face - person.rest) for face in faces])
        if (last := faces[-1]) is not None:
            away = min(_rms(last - row) for rows in person.expressions.values() for row in rows)
            nearer.append(away < errors[-1][-1])
    error = np.array(errors)
    known = ~np.isnan(error)
    frames = np.sort(known[:, :-1].mean(1))
    after = {f"{s} s": float(known[:, _look(s, known)].mean()) for s in (2, 4, 6, 10, 20)}
    end = error[known[:, -1], -1]
    return Figures(
        after,
        float(frames.mean()),
        float(frames[: max(1, len(frames) // 10)].mean()),
        float(np.median(end)) if len(end) else float("nan"),
        float(np.quantile(end, 0.9)) if len(end) else float("nan"),
        float(np.mean(nearer)) if nearer else float("nan"),
    )


def _look(seconds: float, known: NDArray[np.bool_]) -> int:
    return min(int(np.ceil(seconds / LOOK_EVERY_S - 1e-6)), known.shape[1] - 1)


def _rms(difference: F32) -> float:
    return float(np.sqrt(np.square(difference).sum(-1).mean()))


_halves: dict[str, F64] = {}


def _half_of_noise(classifier: Classifier) -> F64:
    """[3K, 3K]: times normal numbers it is noise of RMS one."""
    set_ = classifier.landmark_set
    if set_.id not in _halves:
        full = covariance(set_, _WHITE_SHARE, 1.0)
        full *= len(set_) / np.trace(full)
        _halves[set_.id] = np.linalg.cholesky(full + 1e-9 * np.eye(len(full)))
    return _halves[set_.id]


def main() -> None:
    """Prints a table of all scripts."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path, help="warped photos, .npz")
    parser.add_argument("--people", type=int, default=sys.maxsize, help="only the first so many")
    chosen = parser.parse_args()
    classifier = Classifier.load()
    everybody = people(chosen.data, classifier)[: chosen.people]
    print(f"{len(everybody)} people\n")
    print("| script | known after 2, 4, 6, 10, 20 s | frames (worst tenth) | error (tenth) | an expression |")
    print("|---|---|---|---|---|")
    for name, script in SCRIPTS.items():
        of = trial(everybody, script, classifier)
        known = ", ".join(f"{share:.2f}" for share in of.known_after.values())
        print(
            f"| {name} | {known} | {of.frames:.2f} ({of.frames_worst:.2f}) "
            f"| {of.error:.4f} ({of.error_worst:.4f}) | {of.expression:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
