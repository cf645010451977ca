"""The demo's login: anybody is whom they say, on one machine and nowhere else."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.api.access import Access
from streams.api.console.console import routers
from streams.api.demo import CONSOLE, LEARNER, PATH, Login
from streams.api.limits import Limit
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE
from streams.api.web import application
from streams.clock import Clock
from streams.errors import ConfigurationError
from streams.settings import Settings
from tests.api.console.desk import Desk
from tests.api.world import judged, of, passed, rows, world

HERE = "127.0.0.1:8050"


async def test_who_logs_in_as_a_learner_sees_her_badges(tmp_path: Path) -> None:
    login, clock = Login(Settings(), HERE), Clock()
    unlimited = Limit(0, clock.monotonic)
    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)]))) as here:
        app = application(here.view, Access(login.tokens(clock), unlimited), (), unlimited, [login.router])
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8050") as browser:
            answer = await browser.get(PATH, params={"lms_user_id": 42})
            page = await browser.get(answer.headers["location"])
            badges = await browser.get("/badges/api/v1/badges/")
            staff = await browser.get("/badges/api/v1/counts/")
            lms = await browser.get("/badges/api/v1/badges/", headers=of(42))

    assert answer.status_code == 303
    assert {HEADER_PAYLOAD, SIGNATURE} <= set(answer.cookies)
    assert "Kafka Apprentice" in page.text
    assert badges.json()["count"] == 1
    assert staff.status_code == 403
    assert lms.status_code == 401  # a token of the LMS: none is known here


async def test_who_comes_from_the_console_is_led_back_as_an_administrator(tmp_path: Path) -> None:
    login, clock = Login(Settings(), HERE), Clock()
    unlimited = Limit(0, clock.monotonic)
    async with world(tmp_path) as here:
        more = [login.router, *routers(here.view, Desk(), writes=False)]
        app = application(here.view, Access(login.tokens(clock), unlimited), (), unlimited, more, LEARNER)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8050") as browser:
            refused = await browser.get(CONSOLE)
            found = re.search('href="([^"]*login[^"]*)"', refused.text)
            assert found is not None
            answer = await browser.get(unescape(found[1]))
            shown = await browser.get(answer.headers["location"])

    assert refused.status_code == 401
    assert "The site at a glance" in shown.text


async def test_a_page_that_calls_this_machine_by_another_name_cannot_log_in(tmp_path: Path) -> None:
    login, clock = Login(Settings(), HERE), Clock()
    unlimited = Limit(0, clock.monotonic)
    async with world(tmp_path) as here:
        app = application(here.view, Access(login.tokens(clock), unlimited), (), unlimited, [login.router])
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example.org") as browser:
            answer = await browser.get(PATH, params={"lms_user_id": 42})

    assert answer.status_code == 403
    assert not answer.cookies


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "*:8050"),
        ({}, "10.0.0.1:8050"),
        ({}, "0.0.0.0:8050"),
        ({}, "[::]:8050"),
        ({}, "badges.example.org:8050"),
        ({"kafka": "kafka:9092"}, HERE),
        ({"kafka": "localhost:9092,kafka:9092"}, HERE),
        ({"api_keys_url": "https://lms.example.org/jwks"}, HERE),
        ({"api_keys_file": Path("/keys")}, HERE),
        ({"api_issuers": "https://lms.example.org/oauth2"}, HERE),
        ({"api_origins": "https://apps.lms.example.org"}, HERE),
        ({"api_proxies": "10.0.0.0/8"}, HERE),
    ],
)
def test_it_does_not_begin_where_it_could_be_a_site(settings: dict[str, Any], address: str) -> None:
    with pytest.raises(ConfigurationError, match="this may be a site"):
        Login(Settings(**settings), address)


@pytest.mark.parametrize("address", [HERE, "localhost:0", "[::1]:8050"])
def test_it_begins_on_this_machine(address: str) -> None:
    Login(Settings(kafka="127.0.0.1:9092,[::1]:9092"), address)
