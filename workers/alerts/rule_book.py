"""The rules in force: those of a file, read again when it changes. Wrong ones do not replace good ones."""

import asyncio
from pathlib import Path
from typing import Final, get_args

from streams import logs, metrics
from streams.errors import MienError
from streams.messages.alert import AlertState
from workers.alerts import rule_file
from workers.alerts.rules import RuleSet

LOOK_INTERVAL_S: Final = 1.0

log = logs.get("mien.alerts")


class RuleBook:
    """Reads the file at once.

    Raises:
        SourceNotFound: if it cannot be read.
        RulesInvalid: if it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._look()
        self.rules: RuleSet = rule_file.read(path)
        self._now_in_force()

    async def keep_reading(self) -> None:
        """Looks each second whether the file is another one, for ever."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            self.look_again()

    def look_again(self) -> None:
        """Takes the file's rules if it has changed, or says why they cannot be taken."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.rules = rule_file.read(self._path)
        except MienError as exc:
            metrics.alert_rules_current.set(0)
            log.warning("the rules cannot be used: the old ones stay in force", error=str(exc))
        else:
            self._now_in_force()

    def _now_in_force(self) -> None:
        metrics.alert_rules.set(len(self.rules.rules))
        metrics.alert_rules_current.set(1)
        for rule in self.rules.rules:  # at 0: the increase of a counter that begins with 1 is 0
            for state in get_args(AlertState):
                metrics.alerts_total.labels(rule.name, rule.severity, state)
        log.info("rules in force", file=str(self._path), rules=len(self.rules.rules))

    def _look(self) -> tuple[int, int, int] | None:
        """What differs when the file was written or replaced; None while there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
