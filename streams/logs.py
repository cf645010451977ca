"""Log lines: one line per event, for people or as JSON; repetitions become one line with a count."""

import logging
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

REPEAT_SECONDS = 30.0
"""An outage logs the same warning many times a second; a line with a count every half minute is enough."""
KEPT = 1_000
"""Limit on the different warnings being counted, so that they cannot fill the memory."""

_CONTROLS = (range(0x20), range(0x7F, 0xA0), (0x2028, 0x2029), range(0x202A, 0x202F), range(0x2066, 0x206A))
_BLANKS = {character: " " for controls in _CONTROLS for character in controls}

# These log each step of each client.
QUIET = ("aiokafka", "faust", "mode")


def configuration(log_format: Literal["console", "json"]) -> dict[str, Any]:
    """The argument for `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"console": {"()": ConsoleFormatter}, "json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"()": CountingHandler, "formatter": log_format}},
        "loggers": {name: {"level": "WARNING"} for name in QUIET},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }


def blanked(text: str) -> str:
    """`text` with a blank for what breaks a line, steers a terminal or turns the direction of its text."""
    return text.translate(_BLANKS)


class CountingHandler(logging.StreamHandler[Any]):
    """Writes a warning once; its repetitions within `REPEAT_SECONDS` become one line with their count.

    Two records repeat each other if the same place in the code logged them and they name the same: every text
    among the arguments is a name, unless the record says what it is `about`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._repeated: dict[tuple[object, ...], tuple[float, int, logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it."""
        # The last words of a worker are why it ends.
        self._report(record.created if record.levelno < logging.CRITICAL else float("inf"))
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        key = (record.pathname, record.lineno, str(record.msg), *_names(record))
        since, count, _ = self._repeated.get(key, (record.created, -1, record))
        self._repeated[key] = (since, count + 1, record)
        if count < 0:
            super().emit(record)

    def close(self) -> None:
        """Write what has been counted and not yet written."""
        self._report(float("inf"))
        super().close()

    def _report(self, now: float) -> None:
        over = [key for key, (since, _, _) in self._repeated.items() if now - since > REPEAT_SECONDS]
        if len(self._repeated) > KEPT:
            over = list(self._repeated)
        for key in over:
            _, count, last = self._repeated.pop(key)
            if count:
                last.repeated = count
                super().emit(last)


class ConsoleFormatter(logging.Formatter):
    """`time level logger: message`, then the record's own fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on its own lines."""
        fields = "".join(f" {name}={value}" for name, value in _carried(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}{fields}"
        return f"{line}\n{_traceback(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_carried(record),
        }
        if record.exc_info:
            line["traceback"] = _traceback(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    return blanked(record.getMessage())


def _traceback(exc_info: Any) -> str:
    lines = "".join(traceback.format_exception(*exc_info)).rstrip("\n").split("\n")
    return "\n".join(map(blanked, lines))


def _carried(record: logging.LogRecord) -> dict[str, Any]:
    carried = {name: getattr(record, name) for name in ("ce_id", "repeated") if hasattr(record, name)}
    return {name: blanked(value) if isinstance(value, str) else value for name, value in carried.items()}


def _names(record: logging.LogRecord) -> Iterable[object]:
    about: Iterable[object] | None = getattr(record, "about", None)
    if about is None:
        return (argument for argument in record.args or () if isinstance(argument, str))
    return about
