from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.faces.canonical import CANONICAL
from models.samples.landmark_files import encode, pack, read, unpack


@given(st.floats(0.5, 5000), st.floats(-9000, 9000), st.integers(0, 99))
def test_packing_loses_less_than_a_mesh_knows(size_px: float, shift_px: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    landmarks_px = (CANONICAL + rng.normal(0, 0.02, (3, 468, 3))) * size_px + shift_px
    again = unpack(pack(landmarks_px.astype(np.float32), ["fear"] * 3, [""] * 3))
    assert again.dtype == np.float32
    # Half a step of the face, and what float32 itself can tell so far from the origin.
    np.testing.assert_allclose(again, landmarks_px, rtol=0, atol=5e-5 * size_px + 3e-7 * abs(shift_px))


def test_points_that_coincide_do_not_divide_by_zero() -> None:
    np.testing.assert_array_equal(unpack(pack(np.full((1, 468, 3), 7, np.float32), ["fear"], [""])), 7)


def test_a_file_comes_back_as_it_was_and_is_the_same_each_time(tmp_path: Path) -> None:
    arrays = pack(CANONICAL[None] * np.float32(80), ["fear"], ["ann"])
    (tmp_path / "one.npz").write_bytes(encode(arrays))
    again = read(tmp_path / "one.npz")
    assert set(again) == {"q", "scale", "offset", "label", "subject"}
    for name, value in arrays.items():
        np.testing.assert_array_equal(again[name], value)
    assert again["q"].dtype == np.int16
    assert encode(arrays) == (tmp_path / "one.npz").read_bytes()
