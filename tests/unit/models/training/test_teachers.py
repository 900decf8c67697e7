import jax.numpy as jnp
import numpy as np

from models.training.teachers import answers, blended

LAYERS = [
    [(jnp.asarray(w, jnp.float32), jnp.zeros(2))]
    for w in ([[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 4.0]])
]


def test_answers_are_those_of_the_mean_logits_with_the_shift() -> None:
    inputs = np.random.default_rng(0).normal(size=(1500, 2)).astype(np.float32)  # more than one chunk
    logits = np.stack([inputs[:, 0] / 2 + 0.5, inputs[:, 1] * 2], axis=1)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = answers(LAYERS, inputs, np.array([0.5, 0.0], np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_blends_lie_between_two_faces_nearer_to_the_first() -> None:
    faces = np.zeros((3, 4, 3), np.float32)
    faces[1], faces[2] = 1, 100
    found = blended(np.random.default_rng(0), faces, np.array([1, 1, 0], np.float32), 500)
    assert found.shape == (500, 4, 3)
    shares = found[:, 0, 0]
    assert (found == shares[:, None, None]).all()
    assert ((shares >= 0) & (shares <= 1)).all()  # the third face has no weight
    assert 0.1 < (shares == 0).mean() < 0.4  # a face with itself
    assert ((shares > 0.05) & (shares < 0.95)).mean() > 0.3
