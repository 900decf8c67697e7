"""What turns do to the mesh, as noise."""

import numpy as np

from models.samples.turned_mesh import turn_covariance, turn_terms


def test_the_covariance_is_that_of_turns_drawn_at_random() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(0, 0.1, (5, 2, 3)).astype(np.float32)
    yaw_pitch_deg = rng.normal(0, 12, (400_000, 2))
    moved = turn_terms(yaw_pitch_deg) @ factors.reshape(5, -1)
    expected = np.cov(moved.T)
    assert np.allclose(turn_covariance(factors, 12.0), expected, atol=0.02 * np.abs(expected).max())
    assert not turn_covariance(factors, 0.0).any()
