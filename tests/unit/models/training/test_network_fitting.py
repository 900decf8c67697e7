import jax.numpy as jnp
import numpy as np
import pytest

from models.training.network_fitting import Forward, Material, Schedule, fit, plain, twins

SIGN = np.array([1, 1, 1, -1, -1], np.float32)


def material(noise: float = 0.0, count: int = 400) -> Material:
    """Two classes: whether the first feature, which mirroring keeps, is positive."""
    x = np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)
    y = np.eye(2, dtype=np.float32)[(x[:, 0] > 0).astype(int)]
    return Material(x, y, np.ones(count, np.float32), SIGN, noise * np.eye(5, dtype=np.float32), np.zeros(2))


QUICK = Schedule(steps=300, batch=64, learning_rate=1e-2, weight_decay=0.0, seed=0)


@pytest.mark.parametrize(("forward", "hidden"), [(plain, (16, 8)), (twins(SIGN), (16,))])
def test_learns(forward: Forward, hidden: tuple[int, ...]) -> None:
    seen: list[tuple[int, int, float]] = []
    data = material()
    layers = fit(forward, hidden, data, QUICK, lambda *event: seen.append(event))
    answers = np.asarray(forward(layers, jnp.asarray(data.inputs))).argmax(axis=1)
    assert (answers == data.targets.argmax(axis=1)).mean() > 0.97
    assert [event[:2] for event in seen] == [(100, 300), (200, 300), (300, 300)]
    assert seen[-1][2] < seen[0][2] < 1


def test_twins_give_a_mirrored_face_the_same_answer() -> None:
    forward = twins(SIGN)
    layers = fit(forward, (16,), material(), QUICK._replace(steps=20))
    x = jnp.asarray(material().inputs)
    np.testing.assert_allclose(forward(layers, x), forward(layers, x * SIGN), atol=1e-5)


def test_noise_hides_what_is_smaller() -> None:
    data = material()
    quiet, loud = (
        fit(plain, (16,), data._replace(noise=noise * np.eye(5, dtype=np.float32)), QUICK)
        for noise in (0.0, 3.0)
    )
    sure = [
        np.abs(np.diff(np.asarray(plain(layers, data.inputs)), axis=1)).mean() for layers in (quiet, loud)
    ]
    assert sure[1] < sure[0] / 2


def test_rows_without_weight_are_never_drawn() -> None:
    data = material()
    lies = np.concatenate([data.targets, data.targets[:, ::-1]])
    both = data._replace(
        inputs=np.concatenate([data.inputs, data.inputs]),
        targets=lies,
        weights=np.repeat(np.array([1, 0], np.float32), len(data.inputs)),
    )
    layers = fit(plain, (16,), both, QUICK)
    answers = np.asarray(plain(layers, jnp.asarray(data.inputs))).argmax(axis=1)
    assert (answers == data.targets.argmax(axis=1)).mean() > 0.97


def test_the_shift_is_what_the_logits_need_not_say() -> None:
    data = material()._replace(inputs=np.zeros((400, 5), np.float32))
    shift = np.array([1.0, 0.0], np.float32)
    layers = fit(plain, (4,), data._replace(shift=shift), QUICK)
    logits = np.asarray(plain(layers, jnp.zeros((1, 5))))[0]
    share = data.targets.mean(axis=0)
    assert logits[0] - logits[1] + 1 == pytest.approx(np.log(share[0] / share[1]), abs=0.1)
