"""A Prometheus of our own on this machine, and its answers."""

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from streams.errors import ServiceUnavailable
from streams.local import child_process

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0


class Series(NamedTuple):
    """One series of an answer."""

    labels: dict[str, str]
    points: list[tuple[float, float]]
    """Time (s since the epoch) and value; no NaN."""


class LocalPrometheus:
    """Asks a Prometheus that listens on a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def at(self, expr: str, time_s: float) -> list[Series]:
        """The series that an expression gives at one time.

        Raises:
            ValueError: if Prometheus refuses the expression; its words.
        """
        found = self._ask("query", query=expr, time=f"{time_s:.3f}")
        return [series for one in found if (series := _series(one["metric"], [one["value"]])).points]

    def over(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        """The series that an expression gives in a time, those without any number left out.

        Raises:
            ValueError: if Prometheus refuses the expression; its words.
        """
        span = {"start": f"{from_s:.3f}", "end": f"{to_s:.3f}", "step": f"{step_s:g}"}
        found = self._ask("query_range", query=expr, **span)
        return [series for one in found if (series := _series(one["metric"], one["values"])).points]

    def is_ready(self) -> bool:
        try:
            with _open(self._url("-/ready")):
                return True
        except OSError:
            return False

    def _ask(self, what: str, **parameters: str) -> list[Any]:
        url = self._url(f"api/v1/{what}?{urllib.parse.urlencode(parameters)}")
        try:
            with _open(url) as answer:
                data = json.load(answer)["data"]
        except urllib.error.HTTPError as exc:
            raise ValueError(f"{json.load(exc)['error']} in {parameters['query']}") from exc
        if data["resultType"] not in ("vector", "matrix"):
            raise ValueError(f"a {data['resultType']}, not series: {parameters['query']}")
        found: list[Any] = data["result"]
        return found

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{path}"


@contextmanager
def running(
    scrapes: Sequence[Mapping[str, Any]], rules: str, folder: Path, *, interval_s: int
) -> Iterator[LocalPrometheus]:
    """Starts Prometheus on what `scrapes` (as in ``scrape_configs``) and `rules` (a file's text) say.

    Raises:
        ServiceUnavailable: if it is not installed, or does not start; with the end of its log.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise ServiceUnavailable("Prometheus is not installed: `make servers` installs Debian's package.")
    (folder / "rules.yaml").write_text(rules)
    every = f"{interval_s}s"
    configuration = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.yaml"],
        "scrape_configs": list(scrapes),
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    (port,) = child_process.free_ports(1)
    log = folder / "prometheus.log"
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "prometheus",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    with log.open("w") as stderr:
        process = child_process.start(
            [binary, *(f"--{name}={value}" for name, value in options.items())], stdout=stderr, stderr=stderr
        )
    try:
        prometheus = LocalPrometheus(port)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not prometheus.is_ready():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise ServiceUnavailable(f"Prometheus does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield prometheus
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _open(url: str) -> HTTPResponse:
    answer: HTTPResponse = urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S)  # noqa: S310  # nosec B310
    return answer


def _series(labels: dict[str, str], values: list[tuple[float, str]]) -> Series:
    points = [(float(time_s), float(value)) for time_s, value in values]
    return Series(labels, [point for point in points if not math.isnan(point[1])])
