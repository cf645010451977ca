"""What the API shows to everybody of badges that the relay has signed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from openbadgeslib.ob3 import OB3LdpVerifier, OB3Verifier
from openbadgeslib.ob3.verifier import OB3VerificationError

from streams.api.store import Batch
from tests.api.world import World, world
from tests.issuers.open_badges.a_badge import ISSUER, LIST, ORGANIZATION, URL, Issuing

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
    requirements:
      - {{id: passed, event_type: org.openedx.learning.course.passing.status.updated.v1}}
"""
DID = f"{URL}/.well-known/did.json"


@asynccontextmanager
async def serving(folder: Path, issuing: Issuing) -> AsyncIterator[World]:
    """An API that has followed what is published, up to now."""
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG)
    async with world(folder, batch(issuing), catalog=catalog) as here:
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

        assert (await asked(here, f"{URL}/badges/credentials/{badge}")).status_code == 404
        assert secret.encode() not in here.store.path.read_bytes()


async def test_everybody_may_look_from_any_page_and_copies_are_short_lived(tmp_path: Path) -> None:
    issuing = Issuing()
    badge = issuing.issue()
    async with serving(tmp_path, issuing) as here:
        for address in (f"{URL}/badges/credentials/{badge}", LIST, DID):
            headers = (await asked(here, address)).headers
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert headers["Cache-Control"] == "public, max-age=300"


async def test_an_achievement_is_what_the_catalog_says(tmp_path: Path) -> None:
    async with serving(tmp_path, Issuing()) as here:
        told = (await asked(here, f"{URL}/badges/achievements/{TEMPLATE}")).json()

    assert (told["name"], told["criteria"]) == ("Diligent", {"narrative": "Pass <two> courses"})


@pytest.mark.parametrize(
    "path",
    [
        "/badges/credentials/0",
        "/badges/credentials/..%2f..%2fetc",
        "/badges/status/unknown",
        "/badges/achievements/11111111-2222-4333-8444-555555555555",
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
