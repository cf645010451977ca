"""Who is believed to be whom, and sees what: forged tokens, and every way to another learner's data."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams.api.tokens import HEADER_PAYLOAD, LONGEST, SIGNATURE
from tests.api.world import (
    APPRENTICE,
    ISSUER,
    World,
    judged,
    key,
    of,
    passed,
    rows,
    shown,
    staff,
    token,
    world,
)

OWN = ("progress/", "badges/")
BOTH = rows(judged([passed(42, "kafka", 1, name="Ada"), passed(43, "kafka", 1, name="Grace")]))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": "openedx", "iat": now, "exp": now + 3_600, "user_id": 42} | more


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'ours'})}.{part(claims(administrator=True))}."


def confused() -> str:
    """Signed as by a secret, which is the public key that everybody may know."""
    public = key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'ours'})}.{part(claims())}"
    signature = hmac.new(public, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, signature = token(user_id=42).split(".")
    return f"{head}.{part(claims(user_id=43))}.{signature}"


def with_own_key() -> str:
    """Signed by a key that the token brings along."""
    own = rsa.generate_private_key(65_537, 2_048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    return jwt.encode(claims(), own, "RS512", headers={"kid": "ours", "jwk": public, "jku": "http://evil"})


def now(seconds: int) -> int:
    return int(time.time()) + seconds


REFUSED: Mapping[str, Callable[[], str]] = {
    "by another's key": lambda: token("another", kid="ours", user_id=42),
    "by a key of no known name": lambda: token("another", user_id=42),
    "by a key of its own": with_own_key,
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "the public key as a secret": confused,
    "an elliptic curve": lambda: jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "tampered": tampered,
    "expired": lambda: token(user_id=42, exp=now(-60)),
    "not yet issued": lambda: token(user_id=42, iat=now(3_600)),
    "not yet valid": lambda: token(user_id=42, nbf=now(3_600)),
    "for others": lambda: token(user_id=42, aud="others"),
    "for nobody": lambda: token(user_id=42, aud=None),
    "of another issuer": lambda: token(user_id=42, iss="https://evil.example.org/oauth2"),
    "of no issuer": lambda: token(user_id=42, iss=None),
    "without an end": lambda: token(user_id=42, exp=None),
    "without a beginning": lambda: token(user_id=42, iat=None),
    "of a later version": lambda: token(user_id=42, version="2.0.0"),
    "of a version that is none": lambda: token(user_id=42, version="x"),
    "of a version of thousands of digits": lambda: token(user_id=42, version="1" * 5_000),
    "restricted": lambda: token(user_id=42, is_restricted=True),
    "user_id a text": lambda: token(user_id="42"),
    "user_id a boolean": lambda: token(user_id=True),
    "user_id a list": lambda: token(user_id=[42]),
    "user_id below zero": lambda: token(user_id=-1),
    "user_id a fraction": lambda: token(user_id=42.0),
    "user_id beyond every id": lambda: token(user_id=2**63),
    "too long": lambda: token(user_id=42, filler="x" * LONGEST),
    "empty": lambda: "",
    "no token": lambda: "x",
    "dots": lambda: "..",
    "no JSON": lambda: "e30.e30.e30",
    "a list": lambda: f"{part([])}.{part([])}.e30",
    "bytes": lambda: "\u00ff.\u00ff.\u00ff",
    "deep": lambda: f"{base64.urlsafe_b64encode(b'[' * 5_000).decode()}.e30.e30",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("path", OWN)
async def test_a_token_that_is_none_of_the_lmss_is_refused(tmp_path: Path, path: str, name: str) -> None:
    header = [(b"Authorization", f"JWT {REFUSED[name]()}".encode("latin-1"))]

    async with world(tmp_path, BOTH) as here:
        answer = await here.ask.get(f"/badges/api/v1/{path}", headers=header)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'JWT realm="api"'
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS512"])
async def test_both_algorithms_of_the_lms_are_believed(tmp_path: Path, algorithm: str) -> None:
    async with world(tmp_path, BOTH) as here:
        assert (await here.get("badges/", of(42, algorithm=algorithm)))["count"] == 1


async def test_the_pair_of_cookies_is_a_token(tmp_path: Path) -> None:
    head, payload, signature = token(user_id=42).split(".")
    first, second = f"{HEADER_PAYLOAD}={head}.{payload}", f"{SIGNATURE}={signature}"

    async with world(tmp_path, BOTH) as here:
        assert (await here.get("badges/", {"Cookie": f"{first}; {second}"}))["count"] == 1
        assert await here.status("badges/", {"Cookie": first}) == 401
        assert await here.status("badges/", {"Cookie": second}) == 401


async def test_no_other_scheme_is_believed(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        for scheme in ("Bearer", "Basic", "Token", ""):
            assert await here.status("badges/", {"Authorization": f"{scheme} {token(user_id=42)}"}) == 401


WAYS: dict[str, Any] = {
    "in the query": ("?lms_user_id=43", {}),
    "twice in the query": ("?lms_user_id=42&lms_user_id=43", {}),
    "twice, the other way around": ("?lms_user_id=43&lms_user_id=42", {}),
}


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize("way", WAYS)
async def test_a_learner_who_names_another_is_refused(tmp_path: Path, path: str, way: str) -> None:
    query, headers = WAYS[way]

    async with world(tmp_path, BOTH) as here:
        answer = await here.ask.get(f"/badges/api/v1/{path}{query}", headers=of(42) | headers)

    if answer.status_code == 200:  # of two, the one that counted was her own
        assert "Grace" not in answer.text
        assert "user43" not in answer.text
    else:
        assert answer.status_code in {400, 403}


IGNORED: dict[str, Any] = {
    "other names in the query": "?user_id=43&learner=43&username=user43&id=43&lms_user_id[]=43",
    "another's page": "?page=1&cursor=43&offset=43",
}


@pytest.mark.parametrize("query", IGNORED)
@pytest.mark.parametrize("path", OWN)
async def test_nothing_else_chooses_whose_data_it_is(tmp_path: Path, path: str, query: str) -> None:
    headers = of(42) | {
        "X-User-Id": "43",
        "X-Lms-User-Id": "43",
        "X-Forwarded-User": "43",
        "X-HTTP-Method-Override": "POST",
        "Cookie": f"{HEADER_PAYLOAD}=x.y; {SIGNATURE}=z; lms_user_id=43",
    }
    others = {"lms_user_id": 43, "user_id": 43}

    async with world(tmp_path, BOTH) as here:
        own = await here.get(path, of(42))
        answer = await here.ask.request(
            "GET", f"/badges/api/v1/{path}{IGNORED[query]}", headers=headers, json=others
        )

    assert answer.status_code == 200
    assert answer.json() == own


@pytest.mark.parametrize(
    "id", ["43.5", "043x", "4 3", "0x2b", "true", "null", "43,42", "", "-43", "1e1", str(2**63), "9" * 400]
)
async def test_an_id_that_is_none_is_refused(tmp_path: Path, id: str) -> None:
    async with world(tmp_path, BOTH) as here:
        for header in (of(42), staff()):
            assert await here.status("badges/", header, lms_user_id=id) in {400, 403}


async def test_whether_another_learner_exists_is_not_said(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        answers = [
            await here.ask.get("/badges/api/v1/badges/", params={"lms_user_id": id}, headers=of(42))
            for id in (43, 999)
        ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text == answers[1].text


async def test_an_administrator_sees_any_learner(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        assert (await here.get("badges/", staff(), lms_user_id=43))["count"] == 1


@pytest.mark.parametrize("claim", ["true", 1, "1", [True], {"a": 1}], ids=repr)
async def test_only_true_makes_an_administrator(tmp_path: Path, claim: Any) -> None:
    async with world(tmp_path, BOTH) as here:
        assert await here.status("counts/", of(42, administrator=claim)) == 403


async def test_a_token_without_a_learner_sees_none(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        assert await here.status("badges/", shown(token())) == 403


@pytest.mark.parametrize("path", [*OWN, "templates/", "counts/", f"templates/{APPRENTICE}/holders/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(tmp_path: Path, path: str, method: str) -> None:
    async with world(tmp_path, BOTH) as here:
        answer = await here.ask.request(method, f"/badges/api/v1/{path}", headers=staff())

    assert answer.status_code == 405
    assert answer.json() == {"detail": f'Method "{method}" not allowed.'}


@pytest.mark.parametrize("path", [*OWN, "templates/", "counts/", "nowhere/", "openapi.json"])
async def test_nobody_keeps_an_answer_or_shows_it_in_a_frame(tmp_path: Path, path: str) -> None:
    async with world(tmp_path, BOTH) as here:
        answers = [await here.ask.get(f"/badges/api/v1/{path}", headers=headers) for headers in (staff(), {})]

    for answer in answers:
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_only_the_named_origins_are_shown_an_answer(tmp_path: Path) -> None:
    mfe = "https://apps.lms.example.org"

    async def allowed(here: World, origin: str) -> tuple[str | None, str | None]:
        answer = await here.ask.get("/badges/api/v1/badges/", headers=of(42) | {"Origin": origin})
        names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
        return answer.headers.get(names[0]), answer.headers.get(names[1])

    async with world(tmp_path, BOTH, origins=[mfe]) as here:
        assert await allowed(here, mfe) == (mfe, "true")
        answer = await here.ask.get("/badges/api/v1/badges/", headers=of(42) | {"Origin": mfe})
        assert set(answer.headers["Vary"].split(", ")) == {
            "Origin",
            "Accept-Language",
            "Authorization",
            "Cookie",
        }
        for other in ("https://evil.example.org", f"{mfe}.evil.org", "null", "http://apps.lms.example.org"):
            assert (await allowed(here, other))[0] is None


async def test_a_browser_may_ask_for_an_mfe_with_the_header_that_it_sends(tmp_path: Path) -> None:
    asked = {
        "Origin": "https://apps.lms.example.org",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "use-jwt-cookie",
    }

    async with world(tmp_path, origins=[asked["Origin"]]) as here:
        get = await here.ask.options("/badges/api/v1/badges/", headers=asked)
        post = await here.ask.options(
            "/badges/api/v1/badges/", headers=asked | {"Access-Control-Request-Method": "POST"}
        )

    assert get.status_code == 200
    assert get.headers["Access-Control-Allow-Credentials"] == "true"
    assert post.status_code == 400


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH, learner_rate=3) as here:
        statuses = [await here.status("badges/", of(42)) for _ in range(5)]
        answer = await here.ask.get("/badges/api/v1/badges/", headers=of(42))
        another = await here.status("badges/", of(43))

    assert statuses == [200, 200, 200, 429, 429]
    assert another == 200
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["detail"].startswith("Request was throttled.")


async def test_one_address_cannot_try_token_after_token(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH, address_rate=3) as here:
        assert [await here.status("badges/", shown("x")) for _ in range(5)] == [401, 401, 401, 429, 429]


async def test_an_answer_says_how_old_it_may_be(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        answer = await here.ask.get("/badges/api/v1/badges/", headers=of(42))

    assert answer.headers["X-Badges-Lag-Seconds"] == "2.0"


async def test_before_all_was_read_once_nothing_is_answered(tmp_path: Path) -> None:
    async with world(tmp_path, BOTH) as here:
        here.following.as_of = None
        answer = await here.ask.get("/badges/api/v1/badges/", headers=of(42))

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("Not ready: ")
    assert "X-Badges-Lag-Seconds" not in answer.headers
