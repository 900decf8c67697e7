"""A real single-node Apache Kafka as a child process, without Docker: ``make kafka`` and the tests.

    with KafkaServer() as server:
        ... connect to server.bootstrap ...

The node is broker and controller in one (KRaft). It listens on the loopback interface only, on three
ports: CLIENT (plaintext, or SASL and/or TLS if asked for), INTERNAL (the broker to itself) and CONTROLLER.
It needs Java 17 or newer and, once, Maven to fetch Kafka's jars (``fetch_jars``). It is made for
development and tests: one replica, a small heap, short time-outs.
"""

import argparse
import atexit
import base64
import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from streams.errors import KafkaServerUnavailable, SettingsInvalid
from streams.local import child_process
from streams.local.child_process import can_listen, free_ports
from streams.local.kafka_jars import DEFAULT_LIB_DIR, fetch_jars, jars_ready, run, tail, tool
from streams.local.kafka_properties import HOST, Node, security_protocol, server_properties

DEFAULT_DATA_DIR = Path(".kafka/data")

_READY_LINE = b"Kafka Server started"
_JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-Dorg.apache.logging.log4j.level=INFO",  # of log4j's built-in configuration, which writes to stdout
)
_SHORT_LIVED = "-XX:TieredStopAtLevel=1"
"""Of Java's two compilers only the fast one: it starts sooner, and a request costs more for ever."""
_STOP_TIMEOUT_S = 20.0


class KafkaServer:
    """One Kafka node, started by ``start`` or ``with``; see the module for what it is.

    port: of the client listener; None takes a free one. It stays the same over ``restart``.
    data_dir: kept over restarts and after ``stop`` if given, else a temporary folder removed by ``stop``.
    sasl: (user, password), of letters, digits and ``._-``; any other credentials are refused by the server.
        A kept ``data_dir`` keeps the SCRAM credentials of its first start.
    scram_users: more (user, password), by SCRAM alone; kept in the same way.
    super_user: with one, what all others may do is said by ACLs; none may do anything at first.
    tls: clients must use TLS and trust the certificate at ``ca_path``, made anew for 127.0.0.1 and localhost.
    client_ca: PEM file; with it and ``tls``, clients must show a certificate of its, whose CN is the user.
    partitions: of topics created without saying how many.
    short_lived: for tests and benchmarks, which end before Java's slow compiler has paid off.
    node, ports, cluster_id: of one node of several (``streams.local.kafka_cluster``); ports are those of
        clients, of the other nodes and of the controller.

    On Linux the child also dies with the *thread* that started it (PR_SET_PDEATHSIG), so call ``start``
    from one that lives as long as the server is needed.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        sasl: tuple[str, str] | None = None,
        scram_users: Mapping[str, str] | None = None,
        super_user: str | None = None,
        tls: bool = False,
        client_ca: Path | None = None,
        partitions: int = 4,
        short_lived: bool = False,
        lib_dir: Path = DEFAULT_LIB_DIR,
        ready_timeout_s: float = 60.0,
        node: Node | None = None,
        ports: tuple[int, int, int] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        users = dict([sasl] if sasl else []) | dict(scram_users or {})
        if not all(re.fullmatch(r"[A-Za-z0-9._-]+", text) for user in users.items() for text in user):
            raise SettingsInvalid(
                "user and password of the local Kafka may hold letters, digits and ._- only"
            )
        self._port = port
        self._given_data_dir = data_dir
        self._sasl = sasl
        self._users = users
        self._super_user = super_user
        self._client_ca = client_ca
        self._tls = tls
        self._partitions = partitions
        self._jvm_options = (*_JVM_OPTIONS, *((_SHORT_LIVED,) if short_lived else ()))
        self._lib_dir = lib_dir
        self._ready_timeout_s = ready_timeout_s
        self._node = node
        self._ports = ports
        self._cluster_id = cluster_id or new_cluster_id()
        self._log_start = 0
        self._work_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keystore_password = secrets.token_hex(16)

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        if self._ports is None:
            raise KafkaServerUnavailable("the local Kafka was not started: call start() first")
        return f"{HOST}:{self._ports[0]}"

    @property
    def internal_bootstrap(self) -> str:
        """``host:port`` that no proxy and no security stands before, for whoever watches from outside."""
        if self._ports is None:
            raise KafkaServerUnavailable("the local Kafka was not started: call start() first")
        return f"{HOST}:{self._ports[1]}"

    @property
    def security_protocol(self) -> str:
        """What clients must set: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        return security_protocol(sasl=self._sasl is not None, tls=self._tls)

    @property
    def ca_path(self) -> Path:
        """PEM file of the certificate that clients must trust (with ``tls``)."""
        return self._work() / "ca.pem"

    @property
    def log_path(self) -> Path:
        """What the server printed, over all its starts."""
        return self._work() / "kafka.log"

    @property
    def data_dir(self) -> Path:
        """Where the topics are."""
        return self._given_data_dir or self._work() / "data"

    @property
    def pid(self) -> int:
        """The node's process, to measure it; 0 if it does not run."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the node and wait until it serves clients.

        Raises KafkaServerUnavailable, with the end of its log, when it ends or is not ready in time.
        """
        if self.alive:
            return self
        try:
            self.launch()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_ready(self) -> None:
        """Waits until the node that was launched serves clients; for one of several: with most of the others.

        Raises KafkaServerUnavailable as `start`.
        """
        if self._process is not None:
            self._wait_ready(self._process, self._log_start)

    def stop(self) -> None:
        """End the node in order (SIGTERM, after 20 s SIGKILL) and remove everything temporary."""
        self._end(signal.SIGTERM)
        if self._work_dir is not None:
            shutil.rmtree(self._work_dir, ignore_errors=True)
            self._work_dir = None

    def kill(self) -> None:
        """End the node at once (SIGKILL), as a crash would. Its data stay for ``restart``."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same ports with the same data, ending it in order where it still runs."""
        self._end(signal.SIGTERM)
        self.start()

    def wait(self) -> None:
        """Wait until the node ends by itself; raises KafkaServerUnavailable with the end of its log."""
        if self._process is not None:
            status = self._process.wait()
            raise KafkaServerUnavailable(
                f"the local Kafka ended with exit status {status}. End of its log:\n"
                f"{tail(self.log_path.read_text())}"
            )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> Path:
        if self._work_dir is None:
            self._work_dir = Path(tempfile.mkdtemp(prefix="mien-kafka-"))
        return self._work_dir

    def launch(self) -> None:
        """Starts the node and does not wait for it."""
        java = tool("java")
        if not jars_ready(self._lib_dir):
            raise KafkaServerUnavailable(
                f"Kafka's jars are not in {self._lib_dir.resolve()}: run `make kafka` once to get them"
            )
        if self._ports is None:
            client, internal, controller = free_ports(3)
            self._ports = (self._port or client, internal, controller)
        for port in self._ports:
            if not can_listen(port):
                raise KafkaServerUnavailable(
                    f"port {port} on {HOST} is in use, perhaps by another Kafka: end that one or choose "
                    "another port"
                )
        if self._tls and not self.ca_path.exists():
            self._make_certificate()
        config = self._write_properties(self._ports)
        jvm = [java, *self._jvm_options, "-cp", f"{self._lib_dir.resolve()}/*"]
        if not (self.data_dir / "meta.properties").exists():
            self._format(jvm, config)
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = child_process.start(
                [*jvm, "kafka.Kafka", str(config)], stdout=log, stderr=subprocess.STDOUT
            )
        atexit.register(self.kill)

    def _write_properties(self, ports: tuple[int, int, int]) -> Path:
        client, internal, controller = ports
        properties = server_properties(
            data_dir=self.data_dir.resolve(),
            client_port=client,
            internal_port=internal,
            controller_port=controller,
            partitions=self._partitions,
            sasl=self._sasl,
            keystore=self._work() / "server.p12" if self._tls else None,
            keystore_password=self._keystore_password,
            client_ca=self._client_ca,
            super_user=self._super_user,
            node=self._node,
        )
        path = self._work() / "server.properties"
        path.touch(mode=0o600)  # holds passwords
        path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        return path

    def _make_certificate(self) -> None:
        """A key with a self-signed certificate in ``server.p12``, and the certificate alone in ``ca.pem``."""
        keytool = tool("keytool")
        password = self._work() / "keystore-password"
        password.touch(mode=0o600)
        password.write_text(self._keystore_password)
        store = ["-keystore", str(self._work() / "server.p12"), "-storepass:file", str(password)]
        run([keytool, "-genkeypair", *store, "-storetype", "PKCS12", "-alias", "server", "-validity", "30",
              "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost",
              "-ext", f"san=dns:localhost,ip:{HOST}", "-ext", "bc:c"])  # fmt: skip
        run([keytool, "-exportcert", "-rfc", *store, "-alias", "server", "-file", str(self.ca_path)])

    def _format(self, jvm: list[str], config: Path) -> None:
        """Write cluster id and SCRAM credentials into the empty data directory."""
        java, *options = jvm
        arguments = [*options, "kafka.tools.StorageTool", "format"]
        arguments += ["--config", str(config), "--cluster-id", self._cluster_id]
        for user, password in self._users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        # In a file, which Java reads: arguments can be seen by every user of the machine.
        path = self._work() / "format.arguments"
        path.touch(mode=0o600)
        path.write_text("".join(f'"{argument}"\n' for argument in arguments))
        run([java, f"@{path}"])
        path.unlink()

    def _wait_ready(self, process: "subprocess.Popen[bytes]", log_start: int) -> None:
        deadline = time.monotonic() + self._ready_timeout_s
        while True:
            with self.log_path.open("rb") as log:
                log.seek(log_start)
                text = log.read()
            if _READY_LINE in text:
                return
            if process.poll() is not None:
                reason = f"ended at once with exit status {process.returncode}"
            elif time.monotonic() > deadline:
                reason = f"is not ready after {self._ready_timeout_s:g} s"
            else:
                time.sleep(0.05)
                continue
            raise KafkaServerUnavailable(
                f"the local Kafka {reason} (it needs Java 17 or newer). End of its log:\n"
                f"{tail(text.decode(errors='replace'))}"
            )

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal_number)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None
        atexit.unregister(self.kill)


def new_cluster_id() -> str:
    """A random id as Kafka writes them: 16 bytes in URL-safe base 64, never starting like an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def main(arguments: list[str] | None = None) -> int:
    """``python -m streams.local.kafka_server``: fetch the jars if needed, then run in the foreground."""
    parser = argparse.ArgumentParser(
        prog="python -m streams.local.kafka_server",
        description="Run a real single-node Apache Kafka for development, until Ctrl-C or SIGTERM.",
    )
    add = parser.add_argument
    add("--port", type=int, default=9092, help="client port on 127.0.0.1 (default: %(default)s)")
    add("--dir", type=Path, default=DEFAULT_DATA_DIR, help="where the data stay (default: %(default)s)")
    add("--lib", type=Path, default=DEFAULT_LIB_DIR, help="where the jars are (default: %(default)s)")
    add("--fetch-only", action="store_true", help="only fetch the jars with Maven")
    options = parser.parse_args(arguments)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        fetch_jars(options.lib)
        if options.fetch_only:
            return 0
        with KafkaServer(port=options.port, data_dir=options.dir, lib_dir=options.lib) as server:
            print(
                f"Apache Kafka listens on {server.bootstrap}; log: {server.log_path}; end it with Ctrl-C",
                flush=True,
            )
            server.wait()
    except KafkaServerUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
