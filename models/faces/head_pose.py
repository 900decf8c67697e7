"""Where a head looks: yaw, pitch and roll from the rotation that aligns its face."""

import numpy as np

from models.arrays import F32


def pose_deg(rotation: F32) -> F32:
    """Head pose [N, 3] in degrees: yaw, pitch, roll, from rotations [N, 3, 3].

    rotation = R_z(roll) @ R_y(-yaw) @ R_x(-pitch). All are 0 for a face that looks into the camera.
    Yaw is positive when the face turns towards the right edge of the picture (the subject's left),
    pitch when it looks up, roll when it tilts clockwise in the picture (towards the subject's left).
    Each lies in [-180, 180], yaw in [-90, 90]. Raises ValueError for another shape.
    """
    r = np.asarray(rotation, dtype=np.float64)
    if r.ndim != 3 or r.shape[1:] != (3, 3):
        raise ValueError(f"rotation must have shape [N, 3, 3], not {list(r.shape)}")
    pose = np.empty((len(r), 3))
    pose[:, 0] = np.arcsin(np.minimum(np.maximum(r[:, 2, 0], -1.0), 1.0))
    pose[:, 1] = np.arctan2(-r[:, 2, 1], r[:, 2, 2])
    pose[:, 2] = np.arctan2(r[:, 1, 0], r[:, 0, 0])
    return np.degrees(pose).astype(np.float32)
