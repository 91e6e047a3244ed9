"""Sight: JSON log lines on standard error. One wide line per message, bound to the event id.

Never put a name, e-mail, phone, comment, external id or secret into a log field or a metric label;
the journey `tests/journeys/test_canary.py` looks for them.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

import orjson
import structlog

#: Whose errors say nothing of what was handled: ours by our own rule, the others' by their nature.
_PLAIN_SPOKEN: Final = ("shared", "services", "aiokafka", "asyncio", "ssl", "socket")
#: Their texts name code, files or addresses of ours.
_ABOUT_CODE: Final = (AttributeError, ImportError, NameError, OSError, RuntimeError, TypeError)
_WITHHELD: Final = "(not shown: it may quote personal data)"
_frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)


def _trace(exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    """Take a traceback without the values of variables, and with the text of few errors only.

    A `KeyError` or a validation error quotes what it met, which may be an address or a comment.
    """
    stacks = _frames(exc_info)
    error: BaseException | None = exc_info[1]
    for stack in stacks:
        if error is None or not _speaks_plainly(error):
            state = getattr(getattr(error, "orig", error), "sqlstate", None)
            stack["exc_value"] = f"SQLSTATE {state}" if state else _WITHHELD
        stack.pop("exc_notes", None)
        stack.pop("exceptions", None)
        error = error and (error.__cause__ or error.__context__)
    return stacks


def _speaks_plainly(error: BaseException) -> bool:
    module = type(error).__module__.partition(".")[0]
    return module in _PLAIN_SPOKEN or isinstance(error, _ABOUT_CODE)


def _as_json(line: MutableMapping[str, Any], **_options: object) -> str:
    # A third of the time that the standard library's encoder takes, on every request's line.
    try:
        return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number beyond 64 bits, half a surrogate pair: odd, and no line is lost
        return json.dumps(line, default=repr)


class _ToStream(logging.StreamHandler[TextIO]):
    """Standard error, which also takes lines that are ready made.

    Those of one turn of the loop leave together: requests that waited for one acknowledgement are
    answered in one turn, and a system call costs twice what making the line does.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._ready: list[str] = []

    def write(self, line: str) -> None:
        """Write one line soon; one that cannot be written is lost, as `logging` has it."""
        self._ready.append(line + self.terminator)
        if len(self._ready) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self._write_ready)
        except RuntimeError:  # no loop, no next turn
            self._write_ready()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after what was there before it."""
        self._write_ready()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits."""
        self._write_ready()
        super().flush()

    def _write_ready(self) -> None:
        if self._ready:
            lines = "".join(self._ready)
            self._ready.clear()
            with suppress(OSError, ValueError):
                self.stream.write(lines)


class Lines:
    """Writes wide lines for what is told on every request, past structlog's chain.

    That chain with the standard library's takes about 45 µs a line, this 6: it makes no record
    where a line goes to standard error. Another handler gets one that carries the line as `line`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger = logging.getLogger(name)

    def info(self, event: str, fields: Mapping[str, object]) -> None:
        """Write one line; keys whose value is None or empty are left out."""
        logger: logging.Logger | None = self._logger
        if logger is None or not logger.isEnabledFor(logging.INFO):
            return
        line = {key: value for key, value in fields.items() if value is not None and value != ()}
        line |= {"event": event, "level": "info", "logger": self._name}
        line["timestamp"] = datetime.now(UTC)
        written = orjson.dumps(line, default=repr, option=orjson.OPT_UTC_Z).decode()
        while logger is not None:
            for handler in logger.handlers:
                if handler.level > logging.INFO:
                    continue
                if isinstance(handler, _ToStream):
                    handler.write(written)
                else:
                    handler.handle(self._record(event, written))
            logger = logger.parent if logger.propagate else None

    def _record(self, event: str, written: str) -> logging.LogRecord:
        record = logging.LogRecord(self._name, logging.INFO, "", 0, event, None, None)
        record.line = written
        return record


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats as structlog does, save what `Lines` has made already."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        ready: str | None = record.__dict__.get("line")
        return super().format(record) if ready is None else ready


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
    formatter = _Formatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(_trace),
            structlog.processors.JSONRenderer(_as_json),
        ],
    )
    handlers: list[logging.Handler] = [_ToStream(sys.stderr)]
    if file is not None:
        handlers[0].setLevel(logging.WARNING)
        handlers.append(RotatingFileHandler(file, maxBytes=16_000_000, backupCount=1, delay=True))
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level.upper())
    # No line of ours tells thread, process or place in the code: asking for them, as the standard
    # library does unless told otherwise, costs as much as writing the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # Else a line that cannot be written is printed as Python sees it, with every value.
    logging.raiseExceptions = False
    # Their information lines tell every reconnect and every statement; warnings are what we need.
    for chatty in ("aiokafka", "sqlalchemy", "alembic", "uvicorn.access", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
