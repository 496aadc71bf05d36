"""Logs that give nobody away, at any level.

Of an exception only the class and the frames are written; its message only if it is one of Confide's own,
which never contain values. Of a record from another library only the template is written, never what was
filled in: SQL parameters, paths with their queries, bodies. Confide's own records are written as they are;
by house rule they name ids and counts, never values.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

from confide.errors import ConfideError

_OURS: Final = "confide"
_WITHHELD: Final = "(message withheld)"
_DEPTH: Final = 10  # exceptions in a chain


class Formatter(logging.Formatter):
    """Writes one line for a record, and one for each frame of its exception."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        lines = [f"{at} {record.levelname} {record.name} {describe(record)}"]
        if record.exc_info and record.exc_info[1] is not None:
            lines.extend(frames(record.exc_info[1]))
        if record.stack_info:
            lines.append(f"  logged at {record.pathname}:{record.lineno} in {record.funcName}")
        return "\n".join(lines)


def describe(record: logging.LogRecord) -> str:
    """Return what may be written of a record's message, on one line."""
    if record.name == _OURS or record.name.startswith(f"{_OURS}."):
        record = logging.makeLogRecord({**record.__dict__, "args": _speak_safely(record.args)})
        try:
            text = name(record.msg) if isinstance(record.msg, BaseException) else record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = _WITHHELD
    elif isinstance(record.msg, str) and record.args:
        text = record.msg
    else:  # a library may have filled the values in before it logged
        text = _WITHHELD
    return text.replace("\r", " ").replace("\n", " ")


def name(error: BaseException) -> str:
    """Return an exception's class, and its message if it is one of Confide's own."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{kind}: {error}" if isinstance(error, ConfideError) else kind


def frames(error: BaseException, depth: int = _DEPTH) -> Iterator[str]:
    """Return an exception and what led to it: classes and places, no messages, no locals."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth > 0:
        yield from frames(cause, depth - 1)
        yield "  and so:"
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_qualname}"
    yield f"  {name(error)}".replace("\n", " ")
    if isinstance(error, BaseExceptionGroup) and depth > 0:
        for one in error.exceptions:
            yield "  one of them:"
            yield from frames(one, depth - 1)


def _speak_safely(args: Any) -> Any:
    if isinstance(args, tuple):
        return tuple(name(arg) if isinstance(arg, BaseException) else arg for arg in args)
    return args


def configuration(level: str) -> dict[str, Any]:
    """Return a ``logging.config`` dictionary: everything to standard error, through ``Formatter``.

    Handlers that libraries bring along are emptied, because they write values.
    """
    through_root = {"handlers": [], "level": "NOTSET", "propagate": True}
    libraries = (
        "django",
        "django.server",
        "gunicorn.access",
        "gunicorn.error",
        "py.warnings",
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"confide": {"()": Formatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "confide", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {library: dict(through_root) for library in libraries},
    }


def install() -> None:
    """Make uncaught exceptions, in any thread, and failures of logging itself as silent as the logs."""
    # On a failed write, Python would print the record with its arguments.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _report
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable


def _report(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    print("\n".join(["confide: stopped by", *frames(error)]), file=sys.stderr)  # noqa: T201 - logging may be what failed


def _report_thread(event: threading.ExceptHookArgs) -> None:
    if event.exc_value is not None and not isinstance(event.exc_value, SystemExit):
        _report(event.exc_type, event.exc_value, event.exc_traceback)


def _report_unraisable(event: Any) -> None:
    if event.exc_value is not None:
        _report(event.exc_type, event.exc_value, event.exc_traceback)
