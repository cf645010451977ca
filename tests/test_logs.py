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

    def fail(self, words: str = "two\nlines") -> None:
        try:
            raise ValueError(words)
        except ValueError as error:
            record = logging.LogRecord("streams.test", logging.ERROR, "a.py", 9, "failed", (), None)
            record.exc_info = (type(error), error, error.__traceback__)
            self._handler.emit(record)

    def end(self) -> None:
        self._handler.close()

    @property
    def written(self) -> str:
        return self._written.getvalue()

    @property
    def lines(self) -> list[str]:
        return self._written.getvalue().splitlines()


@pytest.fixture
def console() -> Log:
    return Log("console")


def test_the_last_words_of_a_worker_come_last(console: Log) -> None:
    for _ in range(3):
        console.say(logging.WARNING, "Kafka cannot be reached yet")
    console.say(logging.CRITICAL, "The worker stops: Kafka cannot be reached", line=2)
    console.end()

    assert [line.rpartition(": ")[2] for line in console.lines] == [
        "Kafka cannot be reached yet",
        "Kafka cannot be reached yet repeated=2",
        "Kafka cannot be reached",
    ]


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


@pytest.mark.parametrize("message", ["organization %s is paused: %s", "%s sets a record aside: %s"])
def test_what_names_another_organization_template_or_reason_is_its_own_line(
    console: Log, message: str
) -> None:
    for name in ("A", "B"):
        for reason in ("401", "503"):
            for _ in range(3):
                console.say(logging.ERROR, message, name, reason)

    assert len(console.lines) == 4


def test_what_a_record_is_about_decides_alone_whether_it_repeats_another(console: Log) -> None:
    for badge in range(100):
        for template in ("A", "B"):
            console.say(logging.ERROR, "badge %s of %s", str(badge), template, about=[template])
    console.end()

    assert [line.partition("badge")[2] for line in console.lines] == [
        " 0 of A",
        " 0 of B",
        " 99 of A repeated=99",
        " 99 of B repeated=99",
    ]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_nothing_in_a_line_breaks_it_or_steers_a_terminal(log_format: Literal["console", "json"]) -> None:
    hostile = "a\rb\x1b[31mc\x9b2Jd\x07e\x7ff\u2028g\u202eh\x00"
    log = Log(log_format)

    log.say(logging.ERROR, "%s", hostile, ce_id=hostile)
    log.fail(hostile)

    raw = log.written
    assert raw.count("\n") == len(raw.split("\n")) - 1
    assert all(line.isprintable() for line in raw.split("\n"))
    if log_format == "json":
        assert [json.loads(line)["level"] for line in log.lines] == ["error", "error"]
        assert json.loads(log.lines[0])["message"] == "a b [31mc 2Jd e f g h "


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
