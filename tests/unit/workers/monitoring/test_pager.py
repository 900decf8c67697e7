"""The webhook of `mien pager`: what Alertmanager sends is printed, what others send is refused."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import SettingsInvalid
from streams.local import child_process
from streams.settings import Settings, child_environment
from workers.monitoring import pager

ALERT = {
    "status": "firing",
    "labels": {"alertname": "MienCameraDown", "severity": "warning", "camera": "lobby"},
    "annotations": {"summary": "Camera lobby gives no pictures."},
    "startsAt": "2026-01-01T12:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "ab",
}


class Running:
    def __init__(self, folder: Path, *options: str) -> None:
        (self.port,) = child_process.free_ports(1)
        self.out = folder / "out"
        with self.out.open("w") as out:
            self.process = child_process.start(
                [sys.executable, "-m", "workers.cli", "pager", *options],
                env=child_environment(metrics_port=self.port, metrics_host="127.0.0.1"),
                stdout=out,
                stderr=subprocess.DEVNULL,
            )

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(params=[[], ["--json"]], ids=["plain", "json"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path, *request.param)
    while started.ask("GET", "/readyz") != 200:
        assert started.process.poll() is None
    yield started
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(20) == 130


def test_each_alert_is_a_line_and_what_is_none_is_refused(running: Running) -> None:
    told = {"version": "4", "receiver": "pager", "alerts": [ALERT, ALERT | {"status": "resolved"}]}
    assert running.ask("POST", "/", json.dumps(told).encode()) == 200
    assert running.ask("POST", "/", b'{"alerts": 3}') == 400
    assert running.ask("POST", "/", b"\xff\xfe") == 400
    assert running.ask("POST", "/", b"", Content_Length="-5") == 411
    assert running.ask("POST", "/", b"", Content_Length=str(pager.BODY_BYTES_MAX + 1)) == 413
    assert running.ask("GET", "/elsewhere") == 404
    assert running.ask("POST", "/", json.dumps({"alerts": [ALERT]}).encode()) == 200  # it still takes some

    lines = running.out.read_text().splitlines()
    assert len(lines) == 3
    assert ["firing" in line for line in lines] == [True, False, True]
    if lines[0].startswith("{"):
        assert json.loads(lines[0])["labels"] == ALERT["labels"]
    else:
        assert lines[0] == (
            "2026-01-01T12:00:00Z firing   warning  MienCameraDown camera=lobby "
            "Camera lobby gives no pictures."
        )


def test_a_client_that_says_nothing_keeps_no_other_out(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as silent:
        silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
        assert running.ask("POST", "/", json.dumps({"alerts": [ALERT]}).encode()) == 200


def test_what_others_wrote_cannot_act_on_a_terminal() -> None:
    page = pager.Page("firing", {"alertname": "A\x1b[2J"}, {"summary": "x\ny"}, "now")

    assert pager.line(page) == r"now firing   none     A\x1b[2J  x\ny"


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsInvalid, match=rf"cannot listen on 127.0.0.1:{port}.*MIEN_METRICS_PORT"):
            pager.run(Settings(metrics_host="127.0.0.1", metrics_port=port), as_json=False)
