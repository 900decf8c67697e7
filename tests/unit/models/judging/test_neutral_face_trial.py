"""The trial of neutral faces: it plays what the script says, and its figures are those of made-up people."""

from pathlib import Path

import numpy as np
import pytest

from models.emotion.classifier import Classifier
from models.judging import neutral_face_trial as module
from models.judging.neutral_face_trial import LOOK_EVERY_S, REST, SCRIPTS, TALK, Person, people, played, trial

CLASSIFIER = Classifier.load()
K = len(CLASSIFIER.landmark_set)


def made_up(seed: int) -> Person:
    """Somebody close to the population's face, whose expressions only this test knows."""
    rng = np.random.default_rng(seed)
    rest = CLASSIFIER.population_baseline + module.noise(CLASSIFIER, 1, 0.005, rng)[0]

    def near(count: int, rms: float) -> np.ndarray:
        return rest + module.noise(CLASSIFIER, count, rms, rng)

    expressions = {emotion: near(2, 0.03) for emotion in module._ROUND}
    return Person(near(4, 0.002), near(3, 0.01), near(1, 0.008), expressions)


def test_a_script_is_played_in_time() -> None:
    person = made_up(1)
    looks = played(person, [(REST, 3), ("anger", 3), (TALK, 3)], np.random.default_rng(0))

    assert len(looks) == 9 / LOOK_EVERY_S
    off = np.sqrt(np.square(looks - person.rest).sum(-1).mean(-1))
    assert np.median(off[:10]) < 0.003
    assert (off[11:20] > 0.02).all()
    assert 0.005 < off[21:].max() < 0.02
    assert 0.2 < off[10] / off[12] < 0.8  # half of it, a look before


def test_people_at_rest_are_known_soon_and_the_figures_repeat() -> None:
    everybody = [made_up(seed) for seed in range(8)]
    of = trial(everybody, SCRIPTS["rest"], CLASSIFIER)

    assert of == trial(everybody, SCRIPTS["rest"], CLASSIFIER)
    assert of.known_after["2 s"] > 0.5
    assert of.known_after["20 s"] == 1
    assert of.frames > 0.8
    assert of.error < 0.004
    assert of.expression == 0


def test_noise_has_the_size_asked_for() -> None:
    drawn = module.noise(CLASSIFIER, 500, 0.005, np.random.default_rng(0))
    assert drawn.shape == (500, K, 3)
    assert np.sqrt(np.square(drawn).sum(-1).mean()) == pytest.approx(0.005, rel=0.05)


def test_a_file_without_tags_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", q=np.zeros(0), label=np.zeros(0), subject=np.zeros(0))
    with pytest.raises(ValueError, match=r"plain\.npz: tag missing: take a file of warped photos"):
        people(tmp_path / "plain.npz", CLASSIFIER)
