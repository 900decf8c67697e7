"""The rules in force: those of a file, read again when it changes. Wrong ones do not replace good ones."""

import asyncio
from pathlib import Path
from typing import get_args

from streams import logs, metrics
from streams.messages.alert import AlertState
from workers.alerts import rule_file
from workers.alerts.rules import RuleSet
from workers.file_in_force import LOOK_INTERVAL_S, FileInForce

log = logs.get("mien.alerts")


class RuleBook:
    """Reads the file at once.

    Raises:
        SourceNotFound: if it cannot be read.
        FileInvalid: if it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileInForce(path, rule_file.read)
        self._now_in_force()

    @property
    def rules(self) -> RuleSet:
        return self._file.value

    async def keep_reading(self) -> None:
        """Looks each second whether the file is another one, for ever."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            self.look_again()

    def look_again(self) -> None:
        """Takes the file's rules if it has changed, or says why they cannot be taken."""
        if not self._file.look_again():
            return
        if self._file.is_current:
            self._now_in_force()
        else:
            metrics.alert_rules_current.set(0)

    def _now_in_force(self) -> None:
        metrics.alert_rules.set(len(self.rules.rules))
        metrics.alert_rules_current.set(1)
        for rule in self.rules.rules:  # at 0: the increase of a counter that begins with 1 is 0
            for state in get_args(AlertState):
                metrics.alerts_total.labels(rule.name, rule.severity, state)
        log.info("rules in force", file=str(self._path), rules=len(self.rules.rules))
