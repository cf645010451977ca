"""What a worker says: one event one line, what repeats with a count, nobody's personal data."""

import io
import json
import logging
from typing import Literal

import pytest

from streams import logs


class Log:
    """A logger with our handler, and what it has written; `at` is what its clock shows."""

    def __init__(self, log_format: Literal["console", "json"]) -> None:
        self.at = 1_000.0
        self._handler = logs.CountingHandler()
        self._written = io.StringIO()
        self._handler.setStream(self._written)
        formatters = {"console": logs.ConsoleFormatter, "json": logs.JsonFormatter}
        self._handler.setFormatter(formatters[log_format]())

    def say(self, level: int, message: str, *arguments: object, line: int = 1, **more: object) -> None:
        record = logging.LogRecord("streams.test", level, "a.py", line, message, arguments, None)
        record.created = self.at
        vars(record).update(more)
        self._handler.emit(record)

    def fail(self) -> None:
        try:
            raise ValueError("two\nlines")
        except ValueError as error:
            record = logging.LogRecord("streams.test", logging.ERROR, "a.py", 9, "failed", (), None)
            record.exc_info = (type(error), error, error.__traceback__)
            self._handler.emit(record)

    def end(self) -> None:
        self._handler.close()

    @property
    def lines(self) -> list[str]:
        return self._written.getvalue().splitlines()


@pytest.fixture
def console() -> Log:
    return Log("console")


def test_the_same_error_a_thousand_times_is_one_line_and_one_with_a_count(console: Log) -> None:
    for number in range(1_000):
        console.say(logging.ERROR, "registry is away: %d", number)
    assert len(console.lines) == 1

    console.at += logs.REPEAT_SECONDS + 1
    console.say(logging.INFO, "something else", line=2)

    assert len(console.lines) == 3
    assert console.lines[1].endswith("registry is away: 999 repeated=999")


def test_what_is_still_counted_is_told_at_the_end(console: Log) -> None:
    for _ in range(3):
        console.say(logging.WARNING, "away")
    console.end()

    assert [line.partition("away")[2] for line in console.lines] == ["", " repeated=2"]


def test_other_errors_and_what_is_no_error_are_told_each(console: Log) -> None:
    for line in (1, 2):
        console.say(logging.ERROR, "away", line=line)
        console.say(logging.INFO, "ready", line=3)

    assert len(console.lines) == 4


def test_an_error_that_comes_back_later_is_told_again(console: Log) -> None:
    for _ in range(2):
        console.say(logging.ERROR, "away")
        console.at += logs.REPEAT_SECONDS + 1

    assert len(console.lines) == 2


def test_an_event_is_one_line_of_json_whatever_it_says() -> None:
    log = Log("json")
    log.say(logging.WARNING, "a\nb %s", "ü\n", ce_id="0e1c", token="not asked for")
    log.fail()

    first, second = (json.loads(line) for line in log.lines)
    assert first == {
        "time": "1970-01-01T00:16:40.000+00:00",
        "level": "warning",
        "logger": "streams.test",
        "message": "a b ü ",
        "ce_id": "0e1c",
    }
    assert "ValueError" in second["traceback"]
