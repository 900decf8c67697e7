"""`mien alerts`: emotion events in, alerts out, by the rules of alerts.yaml."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from streams.settings import Settings
from streams.store import alert_store, connection
from workers.alerts.alert_worker import NAME, AlertWorker
from workers.alerts.rule_book import RuleBook
from workers.alerts.truth_reader import TruthReader
from workers.stages import faust_reader, stage
from workers.stages.handler import Handler, Share
from workers.stages.outlet import Outlet

BATCH_MAX = 256


def run(settings: Settings) -> None:
    """Runs the stage until it is told to stop.

    Raises:
        SourceNotFound: if there is no file of rules.
        FileInvalid: if it cannot be used.
    """
    its = AlertStage(settings)
    stage.run(
        settings,
        NAME,
        settings.topics.emotions,
        its.open_handler,
        batch_max=BATCH_MAX,
        consume=partial(faust_reader.consume, tick=its.tick),
    )


class AlertStage:
    """Holds the worker, which the reader calls with batches and with the time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._book = RuleBook(settings.alerts_path)
        self._worker: AlertWorker | None = None

    @asynccontextmanager
    async def open_handler(self, outlet: Outlet) -> AsyncIterator[Handler]:
        """Waits for Redis and for what is true of the cameras, and gives the handler.

        Meanwhile that and the rules are read again whenever they change.
        """
        async with alert_store.connect(self._settings) as store:
            await connection.wait_for_redis(store, self._settings.startup_timeout_s)
            async with TruthReader(self._settings).reading() as truths:
                self._worker = AlertWorker(self._settings, store, outlet, self._book, truths)
                reading = asyncio.ensure_future(self._book.keep_reading())
                try:
                    yield self._worker.handle
                finally:
                    reading.cancel()

    async def tick(self, share: Share) -> None:
        if self._worker is not None:
            await self._worker.tick(share)
