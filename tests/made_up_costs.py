"""What a frame costs each process, made up."""

from workers.capacity.service_times import FrameCost, ServiceTimes

CPU_MS = {"camera": 0.5, "landmarks": 4.0, "classify": 0.5, "state": 0.4, "redis": 0.1, "kafka": 1.0}
TIMES = ServiceTimes(
    "made up", "2026-11-29", "640x480",
    {
        0: FrameCost(dict.fromkeys(CPU_MS, 0.0) | {"landmarks": 1.0}, 30_000.0, 0.0, 0.0),
        1: FrameCost(CPU_MS, 40_000.0, 2_000.0, 3_000.0),
        4: FrameCost({name: 4 * ms for name, ms in CPU_MS.items()}, 70_000.0, 8_000.0, 12_000.0),
    },
    4.0,
)  # fmt: skip
