"""A worker that answers, without a broker: a store with learners in it, keys, tokens, and who asks."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import APIRouter
from starlette.types import ASGIApp

from streams.api.access import Access
from streams.api.consents import Consents, NotKeptError
from streams.api.keys import Keys
from streams.api.limits import Limit
from streams.api.pictures import NoSuchPictureError, Pictures
from streams.api.questions import Questions
from streams.api.rows import progress_row
from streams.api.store import Batch, Store
from streams.api.tokens import Tokens
from streams.api.view import View
from streams.api.web import application
from streams.badges import Progress, badge_id
from streams.catalog.in_force import CatalogInForce
from streams.clock import Clock
from streams.kafka.consents import Consent
from streams.operate.simulate import simulate
from streams.settings import Settings
from streams.tracker.rows import pack

CATALOG = Path(__file__).parents[2] / "streams" / "sandbox" / "catalog.yaml"
APPRENTICE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
MASTER = "3c1d5a0f-7e0d-4b0e-a8f8-0d1a6f6f7a21"
ISSUER = "https://lms.example.org/oauth2"
AUDIENCE = "openedx"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
COURSES = {"kafka": "course-v1:DemoX+Kafka101+2026", "streams": "course-v1:DemoX+Streams201+2026"}


@cache
def key(name: str = "ours") -> rsa.RSAPrivateKey:
    """The private key of this name."""
    return rsa.generate_private_key(65_537, 2_048)


def jwks(*names: str) -> bytes:
    """The public keys of these names, as an LMS shows them."""
    public = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key())) for name in names]
    keys = [one | {"kid": name, "use": "sig"} for one, name in zip(public, names, strict=True)]
    return json.dumps({"keys": keys}).encode()


def token(signed_by: str = "ours", algorithm: str = "RS512", kid: str | None = None, **claims: Any) -> str:
    """A token as the LMS makes it; a claim that is None is left out."""
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3_600, "version": "1.2.0"}
    usual |= {"preferred_username": "ada", "administrator": False, "is_restricted": False}
    given = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(given, key(signed_by), algorithm=algorithm, headers={"kid": kid or signed_by})


def shown(given: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"JWT {given}"}


def of(learner: int, **claims: Any) -> dict[str, str]:
    """The header of a learner."""
    return shown(token(user_id=learner, **claims))


def staff(**claims: Any) -> dict[str, str]:
    """The header of an administrator."""
    return shown(token(user_id=1, administrator=True, **claims))


def passed(learner: int, course: str, number: int, *, passing: bool = True, name: str = "") -> bytes:
    """A line: the learner passed a course, at that minute."""
    person = {"id": learner, "is_active": True}
    pii = {"username": f"user{learner}", "email": f"user{learner}@example.com", "name": name or "Ada"}
    return orjson.dumps(
        {
            "type": "org.openedx.learning.course.passing.status.updated.v1",
            "id": f"00000000-0000-4000-8000-{learner:08x}{number:04x}",
            "time": f"2026-03-14T15:{number:02d}:00+00:00",
            "source": {"topic": "t", "partition": 0, "offset": learner * 100 + number, "epoch": 0},
            "data": {
                "is_passing": passing,
                "course": {"course_key": COURSES[course], "display_name": ""},
                "user": person | {"pii": pii},
            },
        }
    )


def judged(lines: Iterable[bytes], catalog: bytes | None = None) -> dict[int, Progress]:
    """What the core makes of these activities."""
    learners: dict[int, Progress] = {}
    faults: list[str] = []
    for _ in simulate(catalog or CATALOG.read_bytes(), lines, faults.append, faults.append, learners):
        pass
    assert faults == []
    return learners


def rows(learners: Mapping[int, Progress]) -> Batch:
    """A batch with the learners' rows."""
    return Batch(progress={id: progress_row(pack(one, None)) for id, one in learners.items()})


def issued(learner: int, template: str, **fields: Any) -> tuple[bytes, bytes]:
    """A row of the relay's table: key and value."""
    badge = badge_id(template, learner)
    row = {"v": 1, "kind": "awarded", "template": template, "learner": learner, "rank": 2}
    row |= {"decision": "", "time": "2026-03-14T15:09:26+00:00"}
    return badge.bytes, orjson.dumps(row | fields)


class StandIn:
    """In the follower's place: what is known is known, as of then."""

    def __init__(self, as_of: float | None) -> None:
        self.as_of = as_of
        self.trouble = ""
        self.relay = True
        self.consents = True


@dataclass(slots=True)
class World:
    """Who asks, and what there is to know."""

    ask: httpx.AsyncClient
    store: Store
    following: StandIn
    view: View
    app: ASGIApp

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """The answer's JSON; fails where it is not the answer that is expected."""
        answer = await self.ask.get(f"/badges/api/v1/{path}", headers=dict(headers or {}), params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def status(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> int:
        """The answer's status."""
        answer = await self.ask.get(f"/badges/api/v1/{path}", headers=dict(headers or {}), params=query)
        return answer.status_code


@asynccontextmanager
async def world(
    folder: Path,
    batch: Batch | None = None,
    *,
    catalog: Path = CATALOG,
    keys: Sequence[str] = ("ours",),
    origins: Sequence[str] = (),
    learner_rate: int = 0,
    address_rate: int = 0,
    login: str = "",
    pictures: Mapping[str, bytes] | None = None,
    more: Callable[[View], Sequence[APIRouter]] = lambda _: (),
    public_pages: bool = True,
) -> AsyncIterator[World]:
    """A worker of these learners, asked without a network."""
    store = Store(folder / "store.sqlite", "test")
    store.apply(batch or Batch())
    questions, wide = Questions(store.path), Questions(store.path)
    catalogs = CatalogInForce(Settings(), "test-catalog")
    await catalogs.read_file(catalog)
    clock = Clock(wall=lambda: NOW)
    following = StandIn(NOW.timestamp() - 2)

    async def written(badge: UUID, consent: Consent | None) -> None:
        if following.trouble:
            raise NotKeptError(following.trouble)
        store.apply(Batch(consents={badge.bytes: consent}))

    view = View(questions, wide, catalogs, following, clock)

    async def fetch() -> bytes:
        return jwks(*keys)

    tokens = Tokens(Keys(fetch, clock), (ISSUER,), AUDIENCE, Clock())
    access = Access(tokens, Limit(learner_rate, clock.monotonic))

    async def draw(url: str) -> bytes:
        try:
            return (pictures or {})[url]
        except KeyError:
            raise NoSuchPictureError("nobody answers") from None

    app = application(
        view,
        access,
        origins,
        Limit(address_rate, clock.monotonic),
        more(view),
        login,
        pictures=Pictures(draw, clock),
        consents=Consents(written) if public_pages else None,
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://badges.test") as client:
        yield World(client, store, following, view, app)
    for one in (questions, wide, store):
        one.close()
