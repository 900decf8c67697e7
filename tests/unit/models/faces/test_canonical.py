import numpy as np
import pytest

from models.faces.canonical import CANONICAL, COARSE_REGION, COARSE_REGIONS, MIRROR, REGION


def test_frame_is_centred_and_measured_in_inter_ocular_distances() -> None:
    assert CANONICAL.shape == (468, 3)
    assert CANONICAL.dtype == np.float32
    assert np.abs(CANONICAL.mean(axis=0)).max() < 1e-6
    assert np.linalg.norm(CANONICAL[33] - CANONICAL[263]) == pytest.approx(1.0, abs=1e-6)


def test_axes_are_those_of_a_picture() -> None:
    right_eye, left_eye, forehead, chin, nose_tip = CANONICAL[[33, 263, 10, 152, 4]]
    assert right_eye[0] < 0 < left_eye[0]  # the subject's right is the picture's left
    assert forehead[1] < 0 < chin[1]  # y down
    assert nose_tip[2] == CANONICAL[:, 2].min()  # z away from the camera: the nose tip is nearest


def test_canonical_face_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        CANONICAL[0] = 0


def test_mirror_twins_are_mirror_images() -> None:
    np.testing.assert_array_equal(MIRROR[MIRROR], np.arange(468))
    np.testing.assert_allclose(CANONICAL[MIRROR], CANONICAL * [-1, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("index", "region", "coarse"),
    [
        (61, "mouth corner, right", "mouth"),
        (291, "mouth corner, left", "mouth"),
        (0, "upper lip", "mouth"),
        (17, "lower lip", "mouth"),
        (159, "eyelid, upper, right", "eyes"),
        (374, "eyelid, lower, left", "eyes"),
        (33, "eye corner, outer, right", "eyes"),
        (105, "brow, right", "brows"),
        (334, "brow, left", "brows"),
        (8, "between the brows", "brows"),
        (50, "cheek, right", "cheeks"),
        (1, "nose", "nose"),
        (152, "chin", "jaw"),
        (172, "jaw, right", "jaw"),
        (151, "forehead", "forehead"),
    ],
)
def test_regions_of_well_known_points(index: int, region: str, coarse: str) -> None:
    assert REGION[index] == region
    assert COARSE_REGION[index] == coarse


def test_every_point_has_a_region_and_mirrored_points_swap_sides() -> None:
    assert all(REGION)
    assert set(COARSE_REGION) == set(COARSE_REGIONS)
    for index, twin in enumerate(MIRROR):
        swapped = REGION[index].replace("right", "?").replace("left", "right").replace("?", "left")
        if twin != index:
            assert REGION[twin] == swapped
        assert COARSE_REGION[twin] == COARSE_REGION[index]
