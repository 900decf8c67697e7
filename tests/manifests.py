"""The manifests as `kubectl apply -k` would send them, and what its selectors select."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import Settings, file_variable, secrets

ROOT = Path(__file__).parents[1]
K8S = ROOT / "k8s"
OVERLAYS = ("local", "production")
STAGES = {"landmarks": "frames", "classify": "landmarks", "state": "emotions", "alerts": "emotions"}
"""Each stage, and the topic that it reads."""
WORKERS = {*STAGES, "cameras", "probe"}
"""What runs on: each has metrics and probes."""
SERVERS = {"redis", "kafka"}
"""What is not Mien's own image."""

Object = dict[str, Any]


@cache
def render(folder: Path) -> tuple[Object, ...]:
    """All objects of a folder with a kustomization."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("kubectl is not installed")
    assert kubectl is not None
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def overlay(name: str) -> tuple[Object, ...]:
    return render(K8S / "overlays" / name)


def of_kind(objects: tuple[Object, ...], *kinds: str) -> dict[str, Object]:
    """Name → object."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


def workloads(objects: tuple[Object, ...]) -> dict[str, Object]:
    """All that has pods."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def ours(objects: tuple[Object, ...]) -> dict[str, Object]:
    """Of these, what runs Mien's image."""
    return {name: one for name, one in workloads(objects).items() if name not in SERVERS}


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def pod_labels(objects: tuple[Object, ...]) -> dict[str, dict[str, str]]:
    return {name: one["spec"]["template"]["metadata"]["labels"] for name, one in workloads(objects).items()}


def containers(found: Mapping[str, Object]) -> Iterator[tuple[str, Object]]:
    for name, workload in found.items():
        for container in pod(workload)["containers"]:
            yield f"{name}/{container['name']}", container


def environment(objects: tuple[Object, ...]) -> dict[str, str]:
    """The ConfigMap of all settings."""
    (found,) = (
        config["data"]
        for name, config in of_kind(objects, "ConfigMap").items()
        if name.startswith("mien-settings-")
    )
    data: dict[str, str] = found
    return data


def settings(objects: tuple[Object, ...], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings that a pod has, its files of secrets made up in ``folder``."""
    for name in [name for name in os.environ if name.startswith("MIEN_")]:
        monkeypatch.delenv(name)
    files = {file_variable(field) for field in secrets()}
    for name, value in environment(objects).items():
        if name in files:
            (folder / name).write_text("rediss://user:made-up@redis:6379/0")
            monkeypatch.setenv(name, str(folder / name))
        else:
            monkeypatch.setenv(name, value)
    return Settings()


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes in a pod with these labels; an empty one takes in all.

    Source: LabelSelector in Kubernetes' API reference, meta/v1.
    """
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        _holds(one, labels) for one in selector.get("matchExpressions", ())
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise AssertionError(f"{expression['operator']} is no operator of a selector")


def selected(objects: tuple[Object, ...], selector: Mapping[str, Any]) -> set[str]:
    """The workloads whose pods a selector takes in."""
    return {name for name, labels in pod_labels(objects).items() if selects(selector, labels)}
