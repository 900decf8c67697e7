"""What a pod asks for, in a process's terms: environment, command, files. Pure."""

import base64
import re
from collections.abc import Callable
from typing import Any

Resource = dict[str, Any]
Lookup = Callable[[str, str], Resource | None]
"""The ConfigMap or Secret (``"configmaps"``, ``"secrets"``) of a name, or None where there is none."""

_REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class CannotStart(Exception):
    """What a container refers to is not there; it is tried again, as the kubelet does."""


def environment(container: Resource, pod: Resource, lookup: Lookup, image: dict[str, str]) -> dict[str, str]:
    """The image's variables, then ``envFrom``, then ``env``: what comes later wins.

    Raises CannotStart for a ConfigMap, Secret or key that is missing and not optional.
    """
    found = dict(image)
    for source in container.get("envFrom", []):
        kind, reference = _reference(source, "configMapRef", "secretRef")
        data = texts(_named(kind, reference, lookup))
        found |= {source.get("prefix", "") + key: value for key, value in data.items()}
    for variable in container.get("env", []):
        value = _value(variable, container, pod, lookup)
        if value is not None:
            found[variable["name"]] = expand(value, found)
    return found


def _value(variable: Resource, container: Resource, pod: Resource, lookup: Lookup) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", ""))
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        kind, _, resource = source["resourceFieldRef"]["resource"].partition(".")
        return str(container.get("resources", {}).get(kind, {}).get(resource, "0"))
    kind, reference = _reference(source, "configMapKeyRef", "secretKeyRef")
    data = texts(_named(kind, reference, lookup))
    if reference["key"] not in data and not reference.get("optional"):
        raise CannotStart(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return data.get(reference["key"])


def _reference(source: Resource, config_map: str, secret: str) -> tuple[str, Resource]:
    if config_map in source:
        return "configmaps", source[config_map]
    return "secrets", source[secret]


def _named(kind: str, reference: Resource, lookup: Lookup) -> Resource:
    """The ConfigMap or Secret; an empty one in place of an optional one that is missing."""
    name = reference.get("name", reference.get("secretName"))
    found = lookup(kind, name)
    if found is None and not reference.get("optional"):
        raise CannotStart(f'{kind.removesuffix("s")} "{name}" not found')
    return found or {}


def contents(resource: Resource) -> dict[str, bytes]:
    """The data of a ConfigMap or a Secret."""
    binary = resource.get("binaryData", {})
    if resource.get("kind") == "Secret":
        binary = resource.get("data", {})
        return {key: base64.b64decode(value) for key, value in binary.items()}
    plain = {key: value.encode() for key, value in resource.get("data", {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in binary.items()}


def texts(resource: Resource) -> dict[str, str]:
    return {key: value.decode() for key, value in contents(resource).items()}


def field(pod: Resource, path: str) -> str:
    """A field of the pod as the downward API names it: ``status.podIP``, ``metadata.labels['app']``."""
    if keyed := _KEYED_FIELD.fullmatch(path):
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    found: Any = pod
    for name in path.split("."):
        found = found.get(name, "")
    if isinstance(found, dict):  # all labels or annotations, as in a file
        return "\n".join(f'{key}="{value}"' for key, value in sorted(found.items()))
    return str(found)


def expand(text: str, variables: dict[str, str]) -> str:
    """``$(NAME)`` becomes its value, one that is not known stays, and ``$$`` is a dollar sign."""

    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(replaced, text)


def command(container: Resource, variables: dict[str, str], entrypoint: list[str]) -> list[str]:
    """``command`` replaces the image's entry point, ``args`` follow. Raises CannotStart without any."""
    words = [*container.get("command", entrypoint), *container.get("args", [])]
    if not words:
        raise CannotStart(f"image {container['image']} runs nothing here: give it a command")
    return [expand(word, variables) for word in words]


def files(volume: Resource, pod: Resource, lookup: Lookup) -> dict[str, bytes] | None:
    """Relative path → content of a volume that is made of other resources; None: an empty folder instead.

    A service account's token is left out: it must be asked for. Raises CannotStart.
    """
    if "projected" in volume:
        found: dict[str, bytes] = {}
        for source in volume["projected"].get("sources", []):
            found |= files(source, pod, lookup) or {}
        return found
    if "downwardAPI" in volume:
        items = volume["downwardAPI"].get("items", [])
        return {item["path"]: field(pod, item["fieldRef"]["fieldPath"]).encode() for item in items}
    for kind, name in (("configmaps", "configMap"), ("secrets", "secret")):
        if name in volume:
            data = contents(_named(kind, volume[name], lookup))
            items = volume[name].get("items")
            if items is None:
                return data
            if missing := [item["key"] for item in items if item["key"] not in data]:
                raise CannotStart(f"references non-existent config key: {missing[0]}")
            return {item["path"]: data[item["key"]] for item in items}
    return None


def back_off_s(restarts: int, first_s: float, longest_s: float = 300.0) -> float:
    """How long to wait before restart number ``restarts`` (from 1): the first is at once, then it doubles."""
    return 0.0 if restarts <= 1 else min(longest_s, first_s * 2.0 ** (restarts - 2))
