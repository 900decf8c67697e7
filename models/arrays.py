"""Short names for the arrays that everything in `models` passes around; docstrings give their shapes."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
I32: TypeAlias = NDArray[np.int32]
Picture: TypeAlias = NDArray[np.uint8]
"""Of shape ``[H, W, 3]``, in RGB."""
