"""Logs: structlog to stderr, one line an event; our own and the libraries' alike."""

import logging
import sys
from typing import Literal

import structlog

from streams.printable import printable

Log = structlog.stdlib.BoundLogger

# Libraries that log each step of what is routine here.
CHATTY = ("aiokafka", "faust", "mode", "kafka", "jax", "absl")


def configure(level: str, log_format: Literal["console", "json"]) -> None:
    """Sets up logging of this process, once at its start."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _printable_values,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _printable_values(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Writes control signs out: camera ids and errors quote what others wrote, and terminals show the log."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, keep="\n\t" if name in ("exception", "stack") else "")
    return event


def get(name: str) -> Log:
    """The logger of that name; :func:`configure` decides what it shows."""
    log: Log = structlog.get_logger(name)
    return log
