"""What the API shows to everybody of badges that the relay has signed."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin

import httpx
import orjson
import pytest
from openbadgeslib.ob3 import OB3LdpVerifier, OB3Verifier
from openbadgeslib.ob3.verifier import OB3VerificationError

from streams.api.store import Batch
from streams.issuers.issuer import About, Evidence
from tests.api.world import NOW, World, world
from tests.issuers.open_badges.a_badge import ISSUER, LIST, ORGANIZATION, URL, Issuing
from tests.issuers.open_badges.data_model import faults
from tests.issuers.open_badges.pictures import png, svg
from tests.issuers.open_badges.test_baking import of_png, of_svg

TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
CATALOG = f"""
version: 1
organizations:
  - {{id: {ORGANIZATION}, provider: open_badges, name: Example University, url: {URL}}}
templates:
  - id: {TEMPLATE}
    organization: {ORGANIZATION}
    name: Diligent
    criteria: Pass <two> courses
    image_url: https://images.example.edu/1.png
    requirements:
      - {{id: passed, event_type: org.openedx.learning.course.passing.status.updated.v1}}
"""
DID = f"{URL}/.well-known/did.json"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HOSTILE = "</bdi><script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@asynccontextmanager
async def serving(
    folder: Path, issuing: Issuing, pictures: Mapping[str, bytes] | None = None
) -> AsyncIterator[World]:
    """An API that has followed what is published, up to now."""
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG)
    async with world(folder, batch(issuing), catalog=catalog, pictures=pictures) as here:
        yield here


def batch(issuing: Issuing) -> Batch:
    published = {key: value and orjson.dumps(value) for key, value in issuing.published.items()}
    return Batch(published=published)


async def asked(here: World, url: str, accept: str = "*/*") -> httpx.Response:
    """The answer of an address as verifiers look it up."""
    return await here.ask.get(url.removeprefix(URL), headers={"Accept": accept, "Host": "badges.example.edu"})


async def test_others_verify_what_is_served_and_see_what_is_revoked(tmp_path: Path) -> None:
    issuing = Issuing()
    held, revoked = issuing.issue("held"), issuing.issue("revoked")
    issuing.revoke(revoked)
    async with serving(tmp_path, issuing) as here:
        pages = {
            DID: (await asked(here, DID)).content,
            LIST: (await asked(here, LIST, "application/vc+jwt")).content,
        }
        addresses = [f"{URL}/badges/credentials/{badge}" for badge in (held, revoked)]
        documents = [(await asked(here, address)).json() for address in addresses]
        token = (await asked(here, addresses[0], "application/vc+jwt")).text
    verifier = OB3LdpVerifier.for_issuer_did(ISSUER)

    verifier.verify(documents[0], check_status=True, download=pages.__getitem__)
    with pytest.raises(OB3VerificationError, match="'revocation' is set"):
        verifier.verify(documents[1], check_status=True, download=pages.__getitem__)
    assert OB3Verifier.for_issuer_did(ISSUER, download=pages.__getitem__).verify(token).issuer.id == ISSUER
    assert [document["id"] for document in documents] == addresses


async def test_where_no_jwt_was_signed_the_document_is_the_answer(tmp_path: Path) -> None:
    issuing = Issuing(jwt=False)
    address = f"{URL}/badges/credentials/{issuing.issue()}"
    async with serving(tmp_path, issuing) as here:
        answer = await asked(here, address, "application/vc+jwt")
        page = await asked(here, address, "text/html")
        file = await asked(here, f"{address}.jwt")

    assert answer.headers["content-type"] == "application/vc"
    assert answer.json()["id"] == address
    assert ".json" in page.text
    assert ".jwt" not in page.text
    assert file.status_code == 404


async def test_keys_that_have_signed_before_stay_in_the_document(tmp_path: Path) -> None:
    issuing = Issuing()
    issuing.issue("old")
    issuing.seed = 2
    issuing.issue("new")
    async with serving(tmp_path, issuing) as here:
        document = (await asked(here, DID)).json()

    assert len(document["verificationMethod"]) == 2
    assert document["id"] == ISSUER


async def test_what_was_deleted_is_gone_and_is_not_in_the_file(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    secret = issuing.credential(badge)["credentialSubject"]["identifier"][0]["salt"]
    async with serving(tmp_path, issuing) as here:
        issuing.erase(badge)
        here.store.apply(batch(issuing))

        for form in ("", ".json", ".jwt", ".png", ".svg"):
            assert (await asked(here, f"{URL}/badges/credentials/{badge}{form}")).status_code == 404
        page = await asked(here, f"{URL}/badges/credentials/{badge}", BROWSER)
        assert (page.status_code, "Diligent" in page.text, "My badges" in page.text) == (404, False, False)
        assert secret.encode() not in here.store.path.read_bytes()


async def test_everybody_may_look_from_any_page_and_copies_are_short_lived(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    async with serving(tmp_path, issuing) as here:
        for address in (f"{URL}/badges/credentials/{badge}", LIST, DID):
            headers = (await asked(here, address)).headers
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert headers["Cache-Control"] == "public, max-age=300"


async def test_a_browser_is_shown_a_page_and_programs_the_document(tmp_path: Path) -> None:
    issuing = Issuing()
    address = f"{URL}/badges/credentials/{issuing.issue()}"
    async with serving(tmp_path, issuing) as here:
        page = await asked(here, address, BROWSER)
        types = {
            accept: (await asked(here, address, accept)).headers["content-type"]
            for accept in ("*/*", "application/json, text/plain, */*", "application/vc+jwt, */*", "image/*")
        }

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for said in ("Diligent", "For diligence", "Pass two &lt;courses&gt; &amp; more", "Example University"):
        assert said in page.text
    assert '<time datetime="2026-03-01T12:00:00Z">March 1, 2026</time>' in page.text
    assert 'src="https://images.example.edu/1.png"' in page.text
    assert f'<code dir="ltr">{ISSUER}</code>' in page.text
    assert list(types.values()) == [
        "application/vc",
        "application/json",
        "application/vc+jwt",
        "image/png",
    ]


async def test_an_address_is_found_however_a_verifier_writes_it(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    ways = (badge, badge.upper(), f"{badge}/", badge.replace("-", "%2D"), f"{badge}?x=1")
    async with serving(tmp_path, issuing) as here:
        found = [(await asked(here, f"{URL}/badges/credentials/{way}")) for way in ways]
        lists = [(await asked(here, f"{LIST}{end}")) for end in ("", "/")]

    assert {answer.status_code for answer in (*found, *lists)} == {200}
    assert len({answer.content for answer in found}) == len({answer.content for answer in lists}) == 1


async def test_what_heads_are_asked_for_has_them_and_no_body(tmp_path: Path) -> None:
    issuing = Issuing()
    address = f"{URL}/badges/credentials/{issuing.issue()}"
    async with serving(tmp_path, issuing) as here:
        for url in (address, LIST, DID, f"{URL}/badges/api/v1/templates/"):
            whole = await asked(here, url)
            head = await here.ask.head(url.removeprefix(URL), headers={"Host": "badges.example.edu"})
            assert (head.status_code, head.content) == (200, b"")
            for name in ("content-type", "content-length", "cache-control"):
                assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("before", ["", "/open/badges"])
async def test_a_page_leads_to_its_style_and_files_from_wherever_it_is(
    tmp_path: Path, before: str, end: str
) -> None:
    issuing = Issuing()
    address = f"{URL}/badges/credentials/{issuing.issue()}{end}"
    async with serving(tmp_path, issuing) as here:
        page = (await asked(here, address, BROWSER)).text
        links = re.findall(r'href="(\.[^"]+)"', page)
        # As a browser makes them, and a proxy that takes the issuer's path away.
        seen = [urljoin(address.replace(URL, f"{URL}{before}"), link) for link in links]
        answers = [await asked(here, one.replace(f"{URL}{before}", URL)) for one in seen]

    assert len(links) == 5
    assert [answer.status_code for answer in answers] == [200] * 5


async def test_a_page_says_whether_the_badge_holds(tmp_path: Path) -> None:
    issuing = Issuing()
    badges = [
        issuing.issue("held", expires=NOW + timedelta(seconds=1)),
        issuing.issue("expired", expires=NOW),
        issuing.issue("revoked", expires=NOW),
    ]
    issuing.revoke(badges[2])
    async with serving(tmp_path, issuing) as here:
        pages = [(await asked(here, f"{URL}/badges/credentials/{one}", BROWSER)).text for one in badges]

    for page, state in zip(pages, ("Valid", "Expired", "Revoked"), strict=True):
        assert re.findall(r'<span class="badge badge-\w+">(\w+)</span>', page) == [state]


async def test_whether_a_badge_holds_is_not_said_before_its_list_is_known(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    del issuing.published[LIST.removeprefix(f"{URL}/badges/")]
    async with serving(tmp_path, issuing) as here:
        answer = await asked(here, f"{URL}/badges/credentials/{badge}", BROWSER)

    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "Valid" not in answer.text


async def test_nobodys_text_becomes_part_of_a_page(tmp_path: Path) -> None:
    hostile = About(HOSTILE, HOSTILE, HOSTILE, 'https://x/"onload="alert(1)')
    issuing = Issuing(about=hostile, evidence=(Evidence(HOSTILE, NOW, (HOSTILE,)),))
    badge = issuing.issue()
    async with serving(tmp_path, issuing) as here:
        answer = await asked(here, f"{URL}/badges/credentials/{badge}", BROWSER)
        file = await asked(here, f"{URL}/badges/credentials/{badge}.json")

    assert "What counted" in answer.text
    assert answer.text.count("&lt;script&gt;") > 4
    for part in ("<script", "<img src=x", '"onload="', " style="):
        assert part not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    name = file.headers["content-disposition"]
    assert name == 'attachment; filename="bdi-script-alert-1-script-img-src-x-onerror-alert-1.json"'


async def test_a_page_says_nothing_of_the_learner_and_is_found_by_no_search(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    async with serving(tmp_path, issuing) as here:
        answer = await asked(here, f"{URL}/badges/credentials/{badge}", BROWSER)

    assert "seven" not in answer.text.lower()
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["vary"] == "Accept, Accept-Language"


@pytest.mark.parametrize(
    ("form", "media"), [("json", "application/vc"), ("png", "image/png"), ("svg", "image/svg+xml")]
)
async def test_a_file_has_the_credential_and_is_kept_not_opened(
    tmp_path: Path, form: str, media: str
) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    pictures = {"https://images.example.edu/1.png": png()}
    async with serving(tmp_path, issuing, pictures) as here:
        answer = await asked(here, f"{URL}/badges/credentials/{badge}.{form}")

    read = {"json": orjson.loads, "png": of_png, "svg": of_svg}[form]
    assert read(answer.content) == issuing.credential(badge)
    assert answer.headers["content-type"] == media
    assert answer.headers["content-disposition"] == f'attachment; filename="diligent.{form}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert form == "json" or answer.headers["content-security-policy"].endswith("sandbox")


@pytest.mark.parametrize(
    ("picture", "form", "kept"),
    [
        (png(width=7), "png", True),
        (png(width=7), "svg", True),
        (svg("<g/>"), "svg", True),
        (svg("<g/>"), "png", False),
        (svg("<script/>"), "svg", False),
        (b"GIF89a", "png", False),
        (None, "svg", False),
    ],
)
async def test_the_templates_picture_is_baked_or_our_own(
    tmp_path: Path, picture: bytes | None, form: str, kept: bool
) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    pictures = {} if picture is None else {"https://images.example.edu/1.png": picture}
    async with serving(tmp_path, issuing, pictures) as here:
        baked = (await asked(here, f"{URL}/badges/credentials/{badge}.{form}")).content

    assert {"png": of_png, "svg": of_svg}[form](baked) == issuing.credential(badge)
    theirs = {"png": b"\x00\x00\x00\x07", "svg": b"<g/>" if picture == svg("<g/>") else b"data:image/png"}
    assert (theirs[form] in baked) == kept


async def test_an_achievement_is_what_the_catalog_says(tmp_path: Path) -> None:
    async with serving(tmp_path, Issuing()) as here:
        told = (await asked(here, f"{URL}/badges/achievements/{TEMPLATE}")).json()

    assert (told["name"], told["criteria"]) == ("Diligent", {"narrative": "Pass <two> courses"})
    assert told["image"] == {"id": "https://images.example.edu/1.png", "type": "Image"}
    assert told.pop("@context")
    assert faults("Achievement", told) == []


async def test_an_issuers_profile_is_what_its_credentials_say(tmp_path: Path) -> None:
    issuing = Issuing()
    async with serving(tmp_path, issuing) as here:
        told = (await asked(here, f"{URL}/badges/issuers/{ORGANIZATION}")).json()

    assert told.pop("@context")
    assert told == issuing.issued()["issuer"]
    assert faults("Profile", told) == []


@pytest.mark.parametrize(
    "path",
    [
        "/badges/credentials/0",
        "/badges/credentials/..%2f..%2fetc",
        "/badges/credentials/0.png",
        "/badges/credentials/0.exe",
        "/badges/status/unknown",
        "/badges/achievements/11111111-2222-4333-8444-555555555555",
        "/badges/issuers/11111111-2222-4333-8444-555555555555",
        "/elsewhere/did.json",
    ],
)
async def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    issuing = Issuing()
    issuing.issue()
    async with serving(tmp_path, issuing) as here:
        answer = await asked(here, path)

    assert answer.status_code in (400, 404)
    assert set(json.loads(answer.content)) == {"detail"}
