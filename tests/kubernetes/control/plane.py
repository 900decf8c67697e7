"""Kubernetes' own control plane on loopback: etcd, API server, controller manager and scheduler.

Authorization is Node and RBAC, admission that of a default cluster with NodeRestriction, so pod security is
enforced where a namespace's labels ask for it.
"""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from control.build import BIN
from control.certificates import Authority
from streams.local import child_process

Resource = dict[str, Any]

SERVER_HOSTS = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1"
SERVICE_IPS = "10.96.0.0/24"
"""Addresses that services are given. Nothing listens on them: there is no kube-proxy."""
STARTUP_S = 120
DEADLINE_S = 90.0
"""How long tests wait for what must come; generous, because the processors are shared."""
# A pod's address is on loopback (node_agent.py), which an endpoint's may not be.
CONTROLLERS = "*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller"


class ControlPlaneFailed(Exception):
    """A part of it ended or did not answer in time; the message holds the end of its log."""


class KubectlFailed(Exception):
    """What kubectl wrote: it says what the API server refused."""


class ControlPlane:
    """Starts on entry, ends on exit. ``folder`` keeps its logs, certificates and kubeconfig files.

    ``kubeconfig`` is that of a user who may do everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.kubeconfig = self.folder / "kubeconfigs" / "admin"
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[Any]] = {}

    def __enter__(self) -> "ControlPlane":
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("logs", "kubeconfigs"):
            (self.folder / name).mkdir(exist_ok=True)
        self.authority = Authority(self.folder / "certificates")
        self.etcd_port, self._etcd_peer_port, self.port = child_process.free_ports(3)
        self.kubeconfig_for("admin", user="admin", groups=("system:masters",))
        with self._stack:  # whatever was started ends if the rest fails
            self._start_etcd()
            self._start_api_server()
            self._wait_until("the API server is ready", lambda: self._answers("get", "--raw", "/readyz"))
            self._start_clients()
            self._wait_until(
                "the controllers made the first service account",
                lambda: self._answers("get", "serviceaccount", "default", "--namespace", "default"),
            )
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kubeconfig_for(self, name: str, *, user: str, groups: tuple[str, ...] = ()) -> Path:
        """Write ``kubeconfigs/NAME`` for a user of some groups, with a certificate of its own."""
        pair = self.authority.issue(name, user=user, groups=groups)
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.authority.certificate),
        }
        identity = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        path = self.folder / "kubeconfigs" / name
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "tests", "cluster": cluster}],
                    "users": [{"name": name, "user": identity}],
                    "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
                    "current-context": "tests",
                },
                indent=1,
            )
        )
        return path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the user who may do everything, and give what it printed.

        Raises KubectlFailed.
        """
        command = [str(BIN / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise KubectlFailed(done.stdout + done.stderr)
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """What ``kubectl get`` prints as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, *resources: Resource, namespace: str) -> None:
        """Create or change resources, by the server and strictly: an unknown field is refused."""
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": resources})
        flags = ("--server-side", "--validate=strict", f"--namespace={namespace}", "--filename=-")
        self.kubectl("apply", *flags, stdin=whole)

    def eventually(
        self, look: Callable[[], Any], what: str | Callable[[], str], deadline_s: float = DEADLINE_S
    ) -> Any:
        """The first true answer of ``look``; fails when none came in time, or a part has ended."""
        until_s = time.monotonic() + deadline_s
        while not (answer := look()):
            assert time.monotonic() < until_s, (
                f"not within {deadline_s:.0f} s: {what() if callable(what) else what}"
            )
            self._all_alive()
            time.sleep(0.3)
        return answer

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def start(self, name: str, *flags: str, env: dict[str, str] | None = None) -> None:
        """Start a program of ``.k8s/bin``, as `run_beside`."""
        self.run_beside(name, [str(BIN / name), *flags], env)

    def run_beside(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        """Start a program that ends with the control plane, before all that was started before it.

        It writes to a log of its name.
        """
        with self.log(name).open("w") as log:
            process = child_process.start(command, stdout=log, stderr=subprocess.STDOUT, env=env)
        self._stack.callback(_end, process)
        self._running[name] = process

    def _start_etcd(self) -> None:
        clients = f"http://127.0.0.1:{self.etcd_port}"
        peers = f"http://127.0.0.1:{self._etcd_peer_port}"
        self.start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # nobody needs these data after a crash
            "--log-level=warn",
        )

    def _start_api_server(self) -> None:
        server = self.authority.issue("api-server", user="kube-apiserver", hosts=SERVER_HOSTS)
        proxy = self.authority.issue("front-proxy", user="front-proxy")
        tokens = self.authority.issue("service-accounts", user="service-accounts")
        self.start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # an endpoint may not be on loopback
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={SERVICE_IPS}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={self.authority.certificate}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",  # as in all clusters: whether a pod may be is for pod security to say
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={tokens.certificate}",
            f"--service-account-signing-key-file={tokens.key}",
            f"--requestheader-client-ca-file={self.authority.certificate}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            "--profiling=false",
        )

    def _start_clients(self) -> None:
        """The controller manager and the scheduler, each with no more rights than its role's."""
        for name in ("kube-controller-manager", "kube-scheduler"):
            own = self.kubeconfig_for(name, user=f"system:{name}")
            flags = [f"--kubeconfig={own}", "--leader-elect=false", "--secure-port=0", "--profiling=false"]
            if name == "kube-controller-manager":
                flags += [
                    f"--controllers={CONTROLLERS}",
                    "--use-service-account-credentials",
                    f"--service-account-private-key-file={self.folder / 'certificates/service-accounts.key'}",
                    f"--root-ca-file={self.authority.certificate}",
                    "--horizontal-pod-autoscaler-sync-period=5s",
                ]
            self.start(name, *flags)

    def _answers(self, *arguments: str) -> bool:
        try:
            self.kubectl(*arguments, "--request-timeout=5s")
        except KubectlFailed:
            return False
        return True

    def _wait_until(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STARTUP_S
        while not is_so():
            self._all_alive()
            if time.monotonic() > deadline:
                tails = "\n".join(f"{name}:\n{self._tail(name)}" for name in self._running)
                raise ControlPlaneFailed(f"Not within {STARTUP_S} s: {what}.\n{tails}")
            time.sleep(0.3)

    def _all_alive(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ControlPlaneFailed(f"{name} ended with {process.returncode}:\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        return "\n".join(self.log(name).read_text().splitlines()[-15:])


def kustomize(folder: Path) -> list[Resource]:
    """The objects that a folder's kustomization.yaml makes."""
    done = subprocess.run([BIN / "kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def condition(resource: Resource, name: str) -> bool:
    """Whether a condition in a resource's status is true."""
    found = resource.get("status", {}).get("conditions", [])
    return any(one["type"] == name and one["status"] == "True" for one in found)


def _end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
