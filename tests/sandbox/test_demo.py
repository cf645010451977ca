import io
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from rich.console import Console

from streams.sandbox import demo
from streams.sandbox.audit import Announcement, Verdict
from streams.sandbox.board import Board, report
from streams.sandbox.bus import Bus
from streams.sandbox.credly import CredlySimulator
from streams.sandbox.process import Deadline

GOOD = Verdict(
    activities=9, awarded=2, revoked=1, learners=3, dead_letters={("no type", "no_type"): 1}, faults={}
)
EVENT = Announcement("awarded", "t", 5, 1, "b", "i", "", "Ada", "Stream Master")


def test_the_demo_shows_badges_explains_a_learner_and_ends_as_expected(
    sandbox: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setenv("SANDBOX_KAFKA", sandbox.kafka)
    screen = Console(file=io.StringIO(), width=120)
    # when
    code = demo.run(screen, learners=60, rate=5_000)
    # then
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert code == 0, said
    assert re.search(r"(awarded|revoked) .+ · .+ \(learner \d+\)", said)
    assert re.search(r"explain --learner \d+", said)
    assert "As expected." in said


def test_the_demo_of_a_stock_site_goes_from_redis_and_back_to_it_and_stays_where_it_is_kept(
    sandbox: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_KAFKA", sandbox.kafka)
    screen = Console(file=io.StringIO(), width=120)
    assert isinstance(screen.file, io.StringIO)

    with ThreadPoolExecutor(1) as pool:
        visit = pool.submit(_visit, screen.file)
        code = demo.run(screen, redis=True, kept=True, learners=30, rate=5_000)

    said = screen.file.getvalue()
    assert code == 0, said
    page, console, credential = visit.result()
    assert '<span class="badge badge-' in page
    assert "The site at a glance" in console
    assert "Demo Academy" in console
    assert '<span class="badge badge-success">Valid</span>' in credential
    awarded, revoked = map(int, re.findall(r"(\d+) awards and (\d+) revocations", said)[0])
    assert f"{awarded + revoked} badge events are on the LMS's bus again." in said


def _visit(screen: io.StringIO) -> list[str]:
    """The learner's page, the console and a badge's page, once the demo names them; then Ctrl-C."""
    deadline = Deadline(120, "the demo names no pages")
    named = r"http://\S+(?:lms_user_id=|/credentials/)\S+"
    while len(found := re.findall(named, screen.getvalue())) < 3:
        deadline.wait()
    try:
        asked = [Request(address, headers={"Accept": "text/html"}) for address in found]
        answers = [build_opener(HTTPCookieProcessor()).open(one, timeout=10) for one in asked]
        return [str(answer.read(), "utf-8") for answer in answers]
    finally:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    "verdict",
    [
        replace(GOOD, faults={"decisions missing": ["awarded 1 of t for 5"]}),
        replace(GOOD, awarded=0),
        replace(GOOD, revoked=0),
    ],
)
def test_an_unexpected_outcome_ends_the_demo_with_1(verdict: Verdict) -> None:
    screen = Console(file=io.StringIO(), width=120)
    assert report(screen, GOOD, _board()) == 0
    assert report(screen, verdict, _board()) == 1


def test_a_badge_that_credly_does_not_know_ends_the_demo_with_1() -> None:
    # given
    board = _board()
    board.take([EVENT])
    # when
    screen = Console(file=io.StringIO(), width=120)
    # then
    assert report(screen, GOOD, board) == 1


def test_the_board_counts_what_is_held() -> None:
    # given
    board = _board()
    # when
    board.take([EVENT, replace(EVENT, kind="revoked"), replace(EVENT, learner=6)])
    # then
    screen = Console(file=io.StringIO(), width=120)
    screen.print(board)
    assert isinstance(screen.file, io.StringIO)
    assert re.search(r"Stream Master\s+│\s+2\s+│\s+1\s+│\s+1\s+│", screen.file.getvalue())
    assert board.busiest == 5


def _board() -> Board:
    return Board({"t": "Stream Master"}, CredlySimulator())
