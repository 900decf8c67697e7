"""Native libraries that write to stderr, kept quiet unless they fail."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def native_stderr_held_back() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2; shows it only if the block fails.

    LiteRT and mediapipe log noise on start, and no environment variable or call stops them.
    Another thread's stderr is held back too, so make an engine before other threads write.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
