"""`mien live` for tests, with people who may see one group of cameras, another one, or all."""

from typing import Any

import httpx
from harness import Chain, Process

from streams.local.child_process import free_ports
from workers.access.viewers import token_hash

TOKENS = {name: f"mien_{name}-token" for name in ("anna", "ben", "root")}
ACCESS = f"""
groups:
  a: [a-*]
  b: [b-*]
people:
  - {{name: anna, role: reviewer, groups: [a], token_sha256: {token_hash(TOKENS["anna"])}}}
  - {{name: ben, role: viewer, groups: [b], token_sha256: {token_hash(TOKENS["ben"])}}}
  - {{name: root, role: admin, token_sha256: {token_hash(TOKENS["root"])}}}
"""


class Page:
    """`mien live`, and who asks it."""

    def __init__(self, chain: Chain, **changes: Any) -> None:
        (self.port,) = free_ports(1)
        self._chain = chain
        self._changes = changes
        self.process: Process = self._start()

    def _start(self) -> Process:
        return self._chain.start("live", live_port=self.port, **self._changes).wait_ready()

    def restart(self) -> None:
        assert self.process.end() == 0, self.process.err
        self.process = self._start()

    def client(self, name: str = "") -> httpx.Client:
        headers = {"authorization": f"Bearer {TOKENS[name]}"} if name else {}
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1", headers=headers, timeout=30, trust_env=False
        )

    def get(self, name: str, path: str, status: int = 200) -> Any:
        with self.client(name) as client:
            answer = client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()
