"""A pod's volumes as folders of this machine, and the ConfigMaps and Secrets that it refers to."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.api import Api, Refused
from agent.pod_spec import CannotStart, Lookup, Resource, files
from agent.process import Mount

FOLLOW_S = 2.0
"""Between looks for changes; a kubelet takes up to a minute or two."""


class Volumes:
    """Made when the first container starts, and kept until the pod's end."""

    def __init__(self, api: Api, pod: Resource, folder: Path, hosts: Callable[[], str]) -> None:
        self._api, self._pod, self._folder, self._hosts = api, pod, folder, hosts
        self._namespace = pod["metadata"]["namespace"]
        self._hosts_file = folder.with_name("hosts")

    async def referred(self) -> Lookup:
        """All ConfigMaps and Secrets of the pod, read now."""
        found: dict[tuple[str, str], Resource | None] = {}
        for kind, name in references(self._pod["spec"]):
            try:
                got = await self._api.ask("GET", f"/api/v1/namespaces/{self._namespace}/{kind}/{name}")
                got["kind"] = {"configmaps": "ConfigMap", "secrets": "Secret"}[kind]
            except Refused as cause:
                if cause.status not in (
                    403,
                    404,
                ):  # 403: the authorizer does not know yet whose pod it is
                    raise
                found[kind, name] = None
                continue
            found[kind, name] = got
        return lambda kind, name: found.get((kind, name))

    async def mounts(self, container: Resource, referred: Lookup, group: int) -> list[Mount]:
        """Those of one container, the volumes made where they are not there yet. Raises CannotStart."""
        volumes = {volume["name"]: volume for volume in self._pod["spec"].get("volumes", [])}
        self._hosts_file.parent.mkdir(parents=True, exist_ok=True)
        self._hosts_file.write_text(self._hosts())
        found = [Mount(self._hosts_file, "/etc/hosts", True)]
        # Parents first: a volume may lie in another.
        for mount in sorted(container.get("volumeMounts", []), key=lambda m: m["mountPath"]):
            volume = volumes[mount["name"]]
            source = await self._made(volume, referred, group) / mount.get("subPath", "")
            if not source.exists():
                source.mkdir(parents=True)
            fixed = "emptyDir" not in volume and "persistentVolumeClaim" not in volume
            found.append(Mount(source, mount["mountPath"], mount.get("readOnly", False) or fixed))
        return found

    async def follow(self) -> None:
        """Write changed ConfigMaps and Secrets into the volumes made of them, for ever, as a kubelet does.

        And names that have moved into /etc/hosts, as a cluster's DNS does: into the file as it is, since
        containers have it mounted.
        """
        while True:
            await asyncio.sleep(FOLLOW_S)
            if self._hosts_file.exists() and self._hosts_file.read_text() != self._hosts():
                self._hosts_file.write_text(self._hosts())
            referred = await self.referred()
            for volume in self._pod["spec"].get("volumes", []):
                path = self._folder / volume["name"]
                if not path.exists() or not ({"configMap", "secret"} & volume.keys()):
                    continue
                with suppress(CannotStart):  # it is gone: what was there stays
                    for name, data in (files(volume, self._pod, referred) or {}).items():
                        file = path / name
                        if not file.exists() or file.read_bytes() != data:
                            fresh = path / f"{name}.new"
                            _write(fresh, data, volume, path.stat().st_gid)
                            fresh.rename(file)

    async def _made(self, volume: Resource, referred: Lookup, group: int) -> Path:
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        path = self._folder / volume["name"]
        if path.exists():
            return path
        content = files(volume, self._pod, referred)
        for source in volume.get("projected", {}).get("sources", []):
            if token := source.get("serviceAccountToken"):
                content = {**(content or {}), token["path"]: await self._token(token)}
        fresh = path.with_name(f"{path.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        os.chown(fresh, 0, group)
        for name, data in (content or {}).items():
            _write(fresh / name, data, volume, group)
        if content is None:  # an empty folder, which any user may write to
            fresh.chmod(0o2777)
        return fresh.rename(path)

    async def _token(self, wanted: Resource) -> bytes:
        meta = self._pod["metadata"]
        pod = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
        spec = {
            "audiences": [wanted["audience"]] if "audience" in wanted else [],
            "expirationSeconds": wanted.get("expirationSeconds", 3600),
            "boundObjectRef": pod,
        }
        account = self._pod["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        try:
            return str((await self._api.ask("POST", path, {"spec": spec}))["status"]["token"]).encode()
        except Refused as cause:
            raise CannotStart(f"no token of service account {account}: {cause}") from cause


def _write(file: Path, data: bytes, volume: Resource, group: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(_mode(volume))
    os.chown(file, 0, group)


def _mode(volume: Resource) -> int:
    for name in ("configMap", "secret", "projected", "downwardAPI"):
        if name in volume:
            return int(volume[name].get("defaultMode", 0o644))
    return 0o644


def references(spec: Any) -> set[tuple[str, str]]:
    """Kind and name of each ConfigMap and Secret that a pod's spec names, wherever in it."""
    found: set[tuple[str, str]] = set()
    if isinstance(spec, list):
        return found.union(*map(references, spec))
    if not isinstance(spec, dict):
        return found
    for key, value in spec.items():
        if key in ("configMapRef", "configMapKeyRef", "configMap"):
            found.add(("configmaps", value["name"]))
        elif key in ("secretRef", "secretKeyRef", "secret") and isinstance(value, dict):
            found.add(("secrets", value.get("name") or value["secretName"]))
        else:
            found |= references(value)
    return found
