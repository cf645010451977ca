"""A badge's page for everybody: there only where its learner says so, and as long as she does."""

import re
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from streams.api.html.addresses import FRAGMENT, HOME
from streams.api.html.public import PUBLIC, SHARE
from streams.api.rows import progress_row
from streams.api.store import Batch
from streams.badges import Progress, stamp
from streams.tracker.rows import pack
from tests.api.world import (
    APPRENTICE,
    MASTER,
    NOW,
    World,
    judged,
    of,
    passed,
    rows,
    shown,
    staff,
    token,
    world,
)

HERE = "http://badges.test"
FORM = "application/x-www-form-urlencoded"
ADA = "Ada <Lovelace>"
BOTH = judged([passed(42, "kafka", 1, name=ADA), passed(43, "kafka", 1)])


async def form(here: World, headers: dict[str, str]) -> dict[str, str]:
    """The form of the first badge on a learner's page."""
    text = (await here.ask.get(HOME, headers=headers)).text
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', text)[:2])


async def share(
    here: World,
    headers: dict[str, str],
    to: str = "everybody",
    origin: str | None = HERE,
    **changes: str,
) -> httpx.Response:
    """What her browser sends as she presses the button."""
    data = await form(here, headers) | {"with": to} | changes
    return await here.ask.post(SHARE, headers=headers | ({"Origin": origin} if origin else {}), data=data)


async def link(here: World, headers: dict[str, str]) -> str:
    """The address that her page names; empty where it names none."""
    found = re.search(r'href="public/([^"]+)/"', (await here.ask.get(HOME, headers=headers)).text)
    return f"{PUBLIC}{found[1]}/" if found else ""


async def test_everybody_sees_a_badge_of_who_says_so_and_nothing_else_of_her(tmp_path: Path) -> None:
    lines = [passed(42, "kafka", 1, name=ADA), passed(42, "streams", 2, name=ADA)]

    async with world(tmp_path, rows(judged(lines))) as here:
        before = await link(here, of(42))
        said = await share(here, of(42), template=APPRENTICE)
        answer = await here.ask.get(await link(here, of(42)))

    assert before == ""
    assert (said.status_code, said.headers["location"]) == (303, HOME)
    assert answer.status_code == 200
    assert "Ada &lt;Lovelace&gt;" in answer.text
    assert "Kafka Apprentice" in answer.text
    assert "March 14, 2026" in answer.text
    for secret in ("Stream Master", "user42", "example.com", "<form", "<script"):
        assert secret not in answer.text


async def test_it_is_not_to_be_found_nor_kept(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        await share(here, of(42))
        address = await link(here, of(42))
        answer = await here.ask.get(address)

    assert len(address.removeprefix(PUBLIC).strip("/")) >= 22  # 128 bits, base64
    assert "noindex" in answer.headers["x-robots-tag"]
    assert '<meta name="robots" content="noindex' in answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "form-action 'none'" in answer.headers["content-security-policy"]


async def test_what_she_takes_back_is_gone_and_another_link_is_another(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        await share(here, of(42))
        first = await link(here, of(42))
        await share(here, of(42), "nobody")
        gone, named = await here.ask.get(first), await link(here, of(42))
        await share(here, of(42))
        second = await link(here, of(42))
        still = await here.ask.get(first)

    assert (gone.status_code, named) == (404, "")
    assert "noindex" in gone.headers["x-robots-tag"]
    assert second not in ("", first)
    assert still.status_code == 404


async def test_a_badge_that_is_not_held_any_more_is_shown_to_nobody_and_can_be_taken_back(
    tmp_path: Path,
) -> None:
    lost = judged([passed(42, "kafka", 1), passed(42, "kafka", 2, passing=False)])

    async with world(tmp_path, rows(BOTH)) as here:
        await share(here, of(42))
        address = await link(here, of(42))
        here.store.apply(rows(lost))
        gone, still_named = await here.ask.get(address), await link(here, of(42))
        await share(here, of(42), "nobody", template=APPRENTICE)
        named = await link(here, of(42))

    assert gone.status_code == 404
    assert (still_named, named) == (address, "")


async def test_a_forgotten_learner_is_shown_to_nobody_not_even_with_a_new_badge(tmp_path: Path) -> None:
    after = stamp(NOW) + 1

    async with world(tmp_path, rows(BOTH)) as here:
        await share(here, of(42))
        address = await link(here, of(42))
        here.store.apply(Batch(progress={42: progress_row(pack(Progress.initial(), after))}))
        forgotten = await here.ask.get(address)
        here.store.apply(Batch(progress={42: progress_row(pack(BOTH[42], after))}))
        known_again = await here.ask.get(address)

    assert (forgotten.status_code, known_again.status_code) == (404, 404)


async def test_nobody_makes_a_page_of_what_is_not_hers(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        not_held = await share(here, of(42), template=MASTER)
        not_there = await share(here, of(42), template="0" * 32)
        not_shared = await share(here, of(42), "nobody")
        await share(here, of(42))
        others = await share(here, of(43), "nobody", template=APPRENTICE)
        administrators = await share(here, staff(), "nobody", template=APPRENTICE, lms_user_id="42")
        still = await here.ask.get(await link(here, of(42)))
        nobody = await here.ask.post(SHARE, headers={"Origin": HERE}, data={"with": "everybody"})
        nameless = await here.ask.post(SHARE, headers=shown(token()) | {"Origin": HERE}, data={})

    refused = (not_held, not_there, not_shared, others, administrators)
    assert [answer.status_code for answer in refused] == [404, 404, 404, 404, 303]
    assert still.status_code == 200
    assert (nobody.status_code, nameless.status_code) == (401, 403)


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example.org", "http://badges.test:81", "badges.test"]
)
async def test_another_sites_page_makes_none(tmp_path: Path, origin: str | None) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        answer = await share(here, of(42), origin=origin)
        made = await link(here, of(42))

    assert (answer.status_code, made) == (403, "")


async def test_a_form_that_was_made_for_another_or_is_none_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        hers = await form(here, of(43))
        forged = [await share(here, of(42), proof=proof) for proof in ("", "é", hers["proof"])]
        headers = of(42) | {"Origin": HERE}
        as_json = await here.ask.post(SHARE, headers=headers, json={"with": "everybody"})
        large = await here.ask.post(SHARE, headers=headers, data={"with": "x" * 10_000})
        odd = await share(here, of(42), "somebody")
        asked = await here.ask.get(SHARE, headers=of(42))
        made = await link(here, of(42))

    assert [answer.status_code for answer in forged] == [303] * 3
    assert [answer.status_code for answer in (as_json, large, odd, asked)] == [400, 413, 400, 405]
    assert made == ""


async def test_a_form_that_breaks_off_is_none_and_no_fault_of_ours(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        said = of(42) | {"Origin": HERE, "Host": "badges.test", "Content-Type": FORM}
        headers = [(name.lower().encode(), text.encode()) for name, text in said.items()]
        scope = {"type": "http", "method": "POST", "path": SHARE, "query_string": b"", "client": ("::1", 1)}
        sent: list[Message] = []

        async def gone() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await here.app(scope | {"headers": headers}, gone, send)

    assert sent[0]["status"] == 400


async def test_a_consent_that_cannot_be_kept_is_said_to_be_so(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        here.following.trouble = "the brokers are away"
        answer = await share(here, of(42))
        made = await link(here, of(42))

    assert (answer.status_code, made) == (503, "")
    assert "This is not possible right now." in answer.text


async def test_a_site_without_such_pages_offers_and_has_none(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH), public_pages=False) as here:
        text = (await here.ask.get(HOME, headers=of(42))).text
        answer = await here.ask.post(SHARE, headers=of(42) | {"Origin": HERE}, data={})

    assert "<form" not in text
    assert answer.status_code in (404, 405)


async def test_where_consents_have_no_topic_yet_none_is_offered(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        here.following.consents = False

        assert "<form" not in (await here.ask.get(HOME, headers=of(42))).text


async def test_only_a_page_with_forms_may_send_them(tmp_path: Path) -> None:
    async with world(tmp_path, rows(BOTH)) as here:
        page, fragment = [await here.ask.get(path, headers=of(42)) for path in (HOME, FRAGMENT)]

    assert "form-action 'self'; frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    assert "form-action 'none'" in fragment.headers["content-security-policy"]
    assert "<form" not in fragment.text
