"""The .npz form of landmarks: MediaPipe meshes in 16-bit steps, with labels beside them.

    landmarks_px = q * scale[:, None, None] + offset[:, None, :]

`q` int16 [N, 468, 3], `scale` float32 [N], `offset` float32 [N, 3]. A step is about a 65,000th of the
face's size, so nothing that a mesh knows is lost. docs/training.md lists the arrays that go with them.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.faces.canonical import POINTS

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

_STEPS = np.iinfo(np.int16).max


def read(path: Path) -> Arrays:
    """All arrays of a file. Raises FileNotFoundError, and ValueError when it is no .npz file."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as exc:
        raise ValueError(f"{path}: not an .npz file of landmarks: {exc}") from exc


def encode(arrays: Arrays) -> bytes:
    """The bytes of a file that `read` takes; the same for the same arrays."""
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def pack(landmarks_px: F32, label: Sequence[str], subject: Sequence[str]) -> Arrays:
    """Faces [N, 468, 3] with one label each and the person's name, empty where it is not known."""
    offset = landmarks_px.mean(axis=1)
    centred = landmarks_px - offset[:, None, :]
    scale = np.maximum(np.abs(centred).max(axis=(1, 2)), np.finfo(np.float32).tiny * _STEPS) / _STEPS
    return {
        "q": np.rint(centred / scale[:, None, None]).astype(np.int16),
        "scale": scale.astype(np.float32),
        "offset": offset.astype(np.float32),
        "label": np.array(label, dtype=np.str_),
        "subject": np.array(subject, dtype=np.str_),
    }


def unpack(arrays: Arrays) -> F32:
    """[N, 468, 3] in px. Raises KeyError for a missing array and ValueError when they do not fit together."""
    q, scale, offset = arrays["q"], arrays["scale"], arrays["offset"]
    if q.ndim != 3 or q.shape[1:] != (POINTS, 3):
        raise ValueError(f"q must have shape [N, {POINTS}, 3], not {list(q.shape)}")
    if scale.shape != (len(q),) or offset.shape != (len(q), 3):
        raise ValueError(f"scale and offset do not fit q: {scale.shape}, {offset.shape}, {q.shape}")
    landmarks: F32 = q.astype(np.float32) * scale[:, None, None] + offset[:, None, :]
    return landmarks
