"""What the console changes: only where it is on, only by who is asked, and only from its own pages."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from streams.api.console.answering import CONSOLE
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE
from streams.errors import ConfigurationError, FatalError
from tests.api.console.desk import LETTER, console, desk
from tests.api.world import APPRENTICE, World, of, shown, staff, token

HERE = "http://badges.test"
OPERATOR = shown(token(user_id=1, administrator=True, preferred_username="op"))
AWARD = {"learner": "42", "template": APPRENTICE, "reason": "they helped"}


async def proof(here: World, headers: Mapping[str, str] = OPERATOR) -> str:
    """What the form on a learner's page shows."""
    answer = await here.ask.get(f"{CONSOLE}learners/42/", headers=headers)
    found = re.search(r'name="proof" value="(\w+)"', answer.text)
    return found[1] if found else ""


async def send(
    here: World, kind: str, form: Mapping[str, str], headers: Mapping[str, str] = OPERATOR, origin: str = HERE
) -> httpx.Response:
    """A form as a browser sends it."""
    return await here.ask.post(
        f"{CONSOLE}orders/{kind}/",
        data=dict(form),
        headers={**headers, **({"Origin": origin} if origin else {})},
    )


@pytest.mark.parametrize("kind", ["award", "revoke", "reissue", "redrive"])
async def test_without_the_setting_there_is_nowhere_to_order(tmp_path: Path, kind: str) -> None:
    at = desk()

    async with console(tmp_path, at) as here:
        answer = await send(here, kind, AWARD)
        page = await here.ask.get(f"{CONSOLE}learners/1/", headers=OPERATOR)

    assert answer.status_code == 404
    assert at.given == []
    assert "<form" not in page.text.partition("<main")[2]


async def test_each_order_is_given_as_the_command_gives_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streams.api.console.orders")
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        form = AWARD | {"proof": await proof(here)}
        answers = [await send(here, kind, form) for kind in ("award", "revoke", "reissue")]
        answers.append(await send(here, "redrive", form | {"letter": LETTER}))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert at.given == [
        ("award", APPRENTICE, 42, "op", "they helped"),
        ("revoke", APPRENTICE, 42, "op", "they helped"),
        ("reissue", APPRENTICE, 42),
        ("redrive", LETTER, "op", "they helped"),
    ]
    assert 'href="/console/learners/42/"' in answers[0].text
    assert answers[0].headers["cache-control"] == "private, no-store"
    assert f"console: op orders reissue, learner 42, template {APPRENTICE}: they helped" in caplog.messages


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://badges.test.evil.example", "file://badges.test"]
)
async def test_a_form_of_another_site_is_refused(tmp_path: Path, origin: str) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        answer = await send(here, "award", AWARD | {"proof": await proof(here)}, origin=origin)

    assert answer.status_code == 403
    assert at.given == []


@pytest.mark.parametrize("given", ["", "0" * 64, "é"])
async def test_a_form_without_the_proof_is_refused(tmp_path: Path, given: str) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        assert (await send(here, "award", AWARD | {"proof": given})).status_code == 403
        assert (await send(here, "award", AWARD)).status_code == 403

    assert at.given == []


async def test_the_proof_of_one_is_none_of_another(tmp_path: Path) -> None:
    at, other = desk(), shown(token(user_id=2, administrator=True, preferred_username="eve"))

    async with console(tmp_path, at, writes=True) as here:
        own, theirs = await proof(here), await proof(here, other)
        answer = await send(here, "award", AWARD | {"proof": theirs})

    assert own != theirs
    assert answer.status_code == 403
    assert at.given == []


async def test_administrators_alone_order(tmp_path: Path) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        form = AWARD | {"proof": await proof(here)}
        learner, nobody = await send(here, "award", form, of(42)), await send(here, "award", form, {})
        asked = await here.ask.get(f"{CONSOLE}orders/award/", headers=OPERATOR, params=form)

    assert (learner.status_code, nobody.status_code, asked.status_code) == (403, 401, 405)
    assert at.given == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"reason": "two\nlines"},
        {"reason": "x" * 1_000},
        {"learner": "-1"},
        {"learner": "9" * 5_000},
        {"learner": "٤٢"},
        {"template": "../x"},
        {"reason": "x" * 20_000},
    ],
)
async def test_a_wrong_form_orders_nothing(tmp_path: Path, wrong: dict[str, str]) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        answer = await send(here, "award", AWARD | {"proof": await proof(here)} | wrong)

    assert answer.status_code in (400, 413)
    assert at.given == []


async def test_what_is_no_form_orders_nothing(tmp_path: Path) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        form = AWARD | {"proof": await proof(here)}
        url, headers = f"{CONSOLE}orders/award/", {**OPERATOR, "Origin": HERE}
        json = await here.ask.post(url, json=form, headers=headers)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        bytes_ = await here.ask.post(url, content=b"proof=%ff\xff&a=1", headers=headers | kind)

    assert (json.status_code, bytes_.status_code) == (400, 400)
    assert at.given == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("it is not active"), 400),
        (FatalError("Kafka is away"), 503),
        (TimeoutError(), 503),
    ],
)
async def test_what_cannot_be_done_is_said(tmp_path: Path, error: Exception, status: int) -> None:
    at = desk()

    async with console(tmp_path, at, writes=True) as here:
        form = AWARD | {"proof": await proof(here)}
        at.error = error
        answer = await send(here, "award", form)

    assert answer.status_code == status
    assert (str(error) or "TimeoutError") in answer.text


async def test_a_token_in_the_browsers_cookies_does_as_well(tmp_path: Path) -> None:
    at = desk()
    head, payload, signature = staff()["Authorization"].removeprefix("JWT ").split(".")
    cookies = {"Cookie": f"{HEADER_PAYLOAD}={head}.{payload}; {SIGNATURE}={signature}"}

    async with console(tmp_path, at, writes=True) as here:
        answer = await send(here, "award", AWARD | {"proof": await proof(here, cookies)}, cookies)

    assert answer.status_code == 200
    assert len(at.given) == 1
