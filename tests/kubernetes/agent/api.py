"""A small client of the Kubernetes API: paths and JSON objects, as its documentation gives them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

Resource = dict[str, Any]
TRIES = 20
MERGE = "application/strategic-merge-patch+json"


class Refused(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One user of one API server, as a kubeconfig file in JSON names both (control/plane.py writes such)."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        self.server, self._context = str(cluster["server"]), context

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        self._session = aiohttp.ClientSession(self.server, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: Resource | None = None, **params: str) -> Resource:
        """The answer to one request; PATCH merges strategically.

        A server that is away is asked again for a while. Raises Refused.
        """
        for _ in range(TRIES - 1):
            try:
                return await self._ask(method, path, body, params)
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(1)
        return await self._ask(method, path, body, params)

    async def _ask(self, method: str, path: str, body: Resource | None, params: dict[str, str]) -> Resource:
        headers = {"Content-Type": MERGE if method == "PATCH" else "application/json"}
        async with self._session.request(method, path, json=body, headers=headers, params=params) as response:
            answer: Resource = await response.json()
            if response.status >= 400:
                raise Refused(response.status, answer.get("message", ""))
            return answer

    async def watch(self, path: str, **params: str) -> AsyncIterator[tuple[str, Any]]:
        """All changes, for ever: ``("LISTED", [objects])``, then ``("ADDED", object)``, MODIFIED or DELETED.

        Lists again where the server has forgotten how far we were, or was away.
        """
        while True:
            try:
                listed = await self.ask("GET", path, **params)
                yield "LISTED", listed["items"]
                version = listed["metadata"]["resourceVersion"]
                async for event in self._events(path, {**params, "resourceVersion": version}):
                    yield event["type"], event["object"]
            except (aiohttp.ClientError, ConnectionError, Refused):
                await asyncio.sleep(1)

    async def _events(self, path: str, params: dict[str, str]) -> AsyncIterator[Resource]:
        """Until the server closes the watch, refuses it or reports an error in it."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(path, params={**params, "watch": "1"}, timeout=timeout) as response:
            if response.status >= 400:
                return
            pending = b""
            async for chunk in response.content.iter_any():  # a line may be longer than aiohttp's own limit
                *lines, pending = (pending + chunk).split(b"\n")
                for event in map(json.loads, lines):
                    if event["type"] == "ERROR":
                        return
                    yield event
