"""The row `memory` of `mien bench`: what each stage holds after its start, while hardly anything happens."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from streams.local import embedded_servers
from streams.settings import Settings
from workers.bench.speed_rows import jpegs
from workers.figures.process_figures import memory_mib
from workers.figures.timing import Finding
from workers.local.chain import Chain, embedded_kafka

SLOW = ["--fps", "0.1"]
"""A frame goes through, so that everything is loaded that is loaded at the first one; then all rest."""
SETTLE_S = 5.0


def memory(settings: Settings, _seconds: float) -> list[Finding]:
    """Starts the chain on embedded servers, and reads the memory of each process from Linux."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-bench-")))
        picture = folder / "picture.jpg"
        picture.write_bytes(jpegs((640, 480), 1)[0])
        servers = stack.enter_context(embedded_kafka(settings.topics))
        servers["redis_url"] = stack.enter_context(embedded_servers.redis_server())
        chain = Chain(servers, folder)
        stack.enter_context(chain.running_stages())
        chain.start_camera("camera", str(picture), "--lossless", *SLOW)
        chain.start_camera("demo-camera", "demo:cycle", *SLOW)
        chain.wait_ready(chain.cameras)
        time.sleep(SETTLE_S)
        chain.check()
        return [
            Finding("memory", "each process after its start, in MiB", name, memory_mib(pid))
            for name, pid in chain.pids.items()
        ]
