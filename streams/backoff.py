"""How long to wait before a service or camera that is away is tried again."""

import random
from collections.abc import Iterator


def backoff_s(base_s: float, cap_s: float, rng: random.Random | None = None) -> Iterator[float]:
    """Endless waiting times before the next try: uniform in [0, min(cap, base · 2ⁿ)].

    Capped exponential back-off with full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015), so that what was lost together does not come back together.
    """
    rng = rng or random.Random()  # noqa: S311  no secret  # nosec B311
    ceiling_s = min(base_s, cap_s)
    while True:
        yield rng.uniform(0.0, ceiling_s)
        ceiling_s = min(ceiling_s * 2, cap_s)
