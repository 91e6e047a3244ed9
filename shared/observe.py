"""Sight: JSON log lines on standard error. One wide line per message, bound to the event id.

Never put a name, e-mail, phone, comment, external id or secret into a log field or a metric label;
the journey `tests/journeys/test_canary.py` looks for them.
"""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog


def configure_logging(level: str, file: Path | None = None) -> None:
    """Send all logging, ours (structlog) and the libraries' (logging), as JSON lines to stderr.

    With a `file` they go there instead (put aside above 16 MB, one old file kept), and only
    warnings and errors are shown on standard error, too: a person sits before that terminal.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    # Tracebacks without the values of variables: they would hold personal data.
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
            ),
            structlog.processors.JSONRenderer(),
        ],
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers[0].setLevel(logging.WARNING)
        handlers.append(RotatingFileHandler(file, maxBytes=16_000_000, backupCount=1, delay=True))
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level.upper())
    # Their information lines tell every reconnect and every statement; warnings are what we need.
    for chatty in ("aiokafka", "sqlalchemy", "alembic", "uvicorn.access", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
