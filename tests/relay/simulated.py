"""The issuers of the contract, each with its simulator in virtual time."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.clock import Clock
from streams.sandbox.accredible import AccredibleSimulator
from streams.sandbox.credly import CredlySimulator
from streams.sandbox.webhook import Receiver, hmac_of
from tests.issuers.open_badges.a_badge import URL, pem

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
OTHER_ORGANIZATION = "7f0b9c0d-1111-4f0e-8d0a-0f2a7d0c1b22"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
OTHER_TEMPLATE = "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11"
TEMPLATES = {ORGANIZATION: TEMPLATE, OTHER_ORGANIZATION: OTHER_TEMPLATE}
KEY = "S3cret-Key"
GROUPS = {TEMPLATE: 9549, OTHER_TEMPLATE: 9550}
SECRET = "whsec_" + b64encode(b"a secret of twenty-four by").decode()


@dataclass(frozen=True, slots=True)
class Simulated:
    """An issuer by its provider's name. `begin` makes its simulator, which knows both organizations and
    their templates; with `duplicates` it issues a second badge of a template to the same learner.

    `base` is where an organization's calls go, `external` the issuer's id of a template.
    """

    provider: str
    key: str
    begin: Callable[[Clock, bool], Any]
    base: Callable[[str], str]
    external: Callable[[str], str] = str
    duplicates: tuple[bool, ...] = (False,)
    organization: Callable[[str, str, Mapping[str, str]], str] = lambda base, path, _: base.split("/")[-1]


def _credly(clock: Clock, duplicates: bool) -> CredlySimulator:
    credly = CredlySimulator(now=lambda: clock.wall().timestamp())
    for organization, template in TEMPLATES.items():
        credly.add_organization(organization, KEY)
        credly.add_template(organization, template, allow_duplicate_badges=duplicates)
    return credly


def _accredible(clock: Clock, duplicates: bool) -> AccredibleSimulator:
    accredible = AccredibleSimulator(now=lambda: clock.wall().timestamp())
    # The key is the account: both organizations are one there.
    accredible.add_account(ORGANIZATION, KEY)
    for group in GROUPS.values():
        accredible.add_group(ORGANIZATION, group, duplicates)
    return accredible


def _webhook(clock: Clock, _: bool) -> Receiver:
    return Receiver(hmac_of(SECRET), now=lambda: clock.wall().timestamp())


class Nobody:
    """In place of a simulator: there is nobody to call."""

    journal: tuple[()] = ()

    def handle(self, *_: object) -> None:
        raise AssertionError("a badge that is signed here needs no call")


def _nobody(_: Clock, __: bool) -> Nobody:
    return Nobody()


CREDLY = Simulated(
    "credly",
    KEY,
    _credly,
    base=lambda _: "http://credly.test",
    duplicates=(False, True),
    organization=lambda _, path, __: ORGANIZATION if path == "/oauth/token" else path.split("/")[3],
)
ACCREDIBLE = Simulated(
    "accredible",
    KEY,
    _accredible,
    base=lambda _: "http://accredible.test",
    external=lambda template: str(GROUPS[template]),
    duplicates=(False, True),
    organization=lambda *_: ORGANIZATION,
)
WEBHOOK = Simulated("webhook", SECRET, _webhook, base=lambda id: f"http://hooks.test/hooks/{id}")
OPEN_BADGES = Simulated("open_badges", pem(), _nobody, base=lambda _: URL)
SIMULATED = (CREDLY, ACCREDIBLE, WEBHOOK)
