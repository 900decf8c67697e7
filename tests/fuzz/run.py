"""Throws bad bytes at the decoders: ``python tests/fuzz/run.py --inputs 1000000 [FAMILY …]``.

It ends with 1 at the first input that a decoder answers with an error other than its own, that takes a second
(of the processor's time), or that takes 100 MB; the input is left in a file. With ``--guided``, libFuzzer
chooses the inputs by the lines of Python that they reach: that needs `pip install atheris`.
"""

import argparse
import faulthandler
import mmap
import os
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fuzz.decoders import FAMILIES, Family, outcome  # noqa: E402
from fuzz.mutation import MAX_BYTES, Mutator  # noqa: E402

MAX_S, MAX_GROWTH_MB = 1.0, 100.0
WARM_UP = 2_000
CORPUS_MAX = 1_000
_HANGS_AFTER_S = 60


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("families", nargs="*", default=list(FAMILIES), metavar="FAMILY")
    options.add_argument("--inputs", type=int, default=1_000_000, help="of each family")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--guided", action="store_true", help="with atheris; one family")
    chosen = options.parse_args()
    warnings.simplefilter("error")  # as in the tests
    if unknown := set(chosen.families) - set(FAMILIES):
        options.error(f"no such family: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    if chosen.guided:
        return _guided(chosen.families[0], chosen.inputs, chosen.seed)
    return max(_run(name, FAMILIES[name], chosen.inputs, chosen.seed) for name in chosen.families)


def _run(name: str, family: Family, inputs: int, seed: int) -> int:
    mutator, corpus, seen = Mutator(seed, family.words), list(family.seeds), Counter[str]()
    slowest_s, base_mb, started_s = 0.0, _peak_mb(), time.monotonic()
    last = _LastInput(Path(f"fuzz-{name}.bin"))
    for number in range(inputs):
        data = mutator.of(corpus if number % 2 else family.seeds)
        last.note(data)
        if number % 10_000 == 0:
            faulthandler.dump_traceback_later(_HANGS_AFTER_S * 10, exit=True)
        before_s, before_mb = time.process_time(), _peak_mb()
        try:
            said = outcome(family, data)
        except Exception:  # noqa: BLE001
            faulthandler.cancel_dump_traceback_later()
            print(f"{name}: input {number} of seed {seed} is in {last.path}", flush=True)
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            return 1
        took_s, grew_mb = time.process_time() - before_s, _peak_mb() - before_mb
        slowest_s = max(slowest_s, took_s)
        if took_s > MAX_S or grew_mb > MAX_GROWTH_MB:
            print(f"{name}: {took_s:.2f} s and {grew_mb:.0f} MB for the input in {last.path}", flush=True)
            return 1
        if not seen[said] and len(corpus) < CORPUS_MAX:  # it got somewhere new
            corpus.append(data)
        seen[said if said == "accepted" or seen[said] or len(seen) < 10_000 else "another"] += 1
        if number == WARM_UP:
            base_mb = _peak_mb()
    faulthandler.cancel_dump_traceback_later()
    last.path.unlink()
    spent_s = time.monotonic() - started_s
    print(
        f"{name}: {inputs} inputs in {spent_s:.0f} s, {seen['accepted']} accepted, {len(seen)} answers, "
        f"slowest {slowest_s * 1000:.1f} ms, memory +{_peak_mb() - base_mb:.1f} MB",
        flush=True,
    )
    return 0


class _LastInput:
    """Keeps the input in hand in a file, so that it is there even if the process dies of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("wb+") as file:
            file.truncate(MAX_BYTES + 8)
            self._memory = mmap.mmap(file.fileno(), MAX_BYTES + 8)

    def note(self, data: bytes) -> None:
        self._memory[:8] = len(data).to_bytes(8, "little")
        self._memory[8 : 8 + len(data)] = data


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _guided(name: str, inputs: int, seed: int) -> int:
    import atheris  # not among our dependencies  # type: ignore[import-not-found]

    family = FAMILIES[name]
    for module in [m for n, m in sys.modules.items() if n.startswith(("streams.", "models.", "fuzz."))]:
        for attribute, value in list(vars(module).items()):
            if (
                callable(value)
                and getattr(value, "__module__", "") == module.__name__
                and hasattr(value, "__code__")
            ):
                setattr(module, attribute, atheris.instrument_func(value))
    corpus = Path(f"fuzz-{name}.corpus")
    corpus.mkdir(exist_ok=True)
    for number, good in enumerate(family.seeds):
        (corpus / f"seed-{number}").write_bytes(good)
    limits = [f"-runs={inputs}", f"-seed={seed}", f"-max_len={MAX_BYTES}", "-timeout=2", "-rss_limit_mb=1024"]
    atheris.Setup([sys.argv[0], *limits, f"-malloc_limit_mb={MAX_GROWTH_MB:.0f}", str(corpus)],
                  lambda data: outcome(family, data) and None)  # fmt: skip
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
