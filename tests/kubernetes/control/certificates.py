"""Keys and certificates of one control plane, made with openssl for a few days."""

import subprocess
from pathlib import Path
from typing import NamedTuple

DAYS = 7
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
LEAF = (
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
)
ROOT = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")


class Pair(NamedTuple):
    """The PEM files of one certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for servers and clients; all files are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        # Of openssl's own configuration nothing is wanted; without any file it refuses to work.
        self._config = folder / "openssl.cnf"
        self._config.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        self._own: Pair | None = None
        self._own = self._make("ca", "/CN=mien-tests", ROOT)

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self._folder / "ca.crt"

    def issue(self, name: str, *, user: str, groups: tuple[str, ...] = (), hosts: str = "") -> Pair:
        """A certificate for ``user`` of ``groups`` (CN and O); ``hosts`` is like ``DNS:a,IP:127.0.0.1``."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self._make(name, subject, (*LEAF, *([f"subjectAltName={hosts}"] if hosts else [])))

    def _make(self, name: str, subject: str, extensions: tuple[str, ...]) -> Pair:
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        signed_by = ["-CA", str(self._own.certificate), "-CAkey", str(self._own.key)] if self._own else []
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-config", str(self._config), *CURVE, "-days", str(DAYS)),
                *("-subj", subject, *signed_by, "-out", str(pair.certificate), "-keyout", str(pair.key)),
                *(word for extension in extensions for word in ("-addext", extension)),
            ],
            check=True,
            capture_output=True,
        )
        return pair
