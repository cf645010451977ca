"""What an issuer of badges is to the relay: its web service as values, without any network.

An issuer answers each question with steps: a generator that yields one call after the other, is sent each
call's outcome, and returns what they come to together. Whoever drives the steps decides when a call is made
(decision 0012).
"""

import math
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

from streams.issuers.http import Answer, NoAnswer, Request, trouble
from streams.issuers.outcomes import (
    Deferred,
    EraseOutcome,
    FeedOutcome,
    IssueOutcome,
    KeyExpiryOutcome,
    KeyOutcome,
    Listed,
    ListOutcome,
    LookUpOutcome,
    Occurrence,
    Outcome,
    Page,
    Recipient,
    RevokeOutcome,
    RotateOutcome,
    TemplateOutcome,
    TemplatesOutcome,
    Trouble,
    Unsupported,
)
from streams.issuers.words import visible

T = TypeVar("T")
Out = TypeVar("Out", bound=Outcome)


# Without slots: a frozen class with them takes no type argument when it is called, `Call[T](...)`.
@dataclass(frozen=True)
class Call(Generic[Out]):
    """One request, and what its answer comes to.

    `word` names the call in metrics. `accept` returns None for what is trouble with every issuer.
    `changes`: if its answer is lost, only a look-up can say whether it was done. That it may have been made
    must be durable before it is made.
    """

    word: str
    request: Request
    accept: Callable[[Answer], Out | None]
    changes: bool = False

    def outcome(self, answer: Answer | NoAnswer, now: datetime, secrets: Iterable[str] = ()) -> Out | Trouble:
        """What the call came to at the time `now`; none of the `secrets` is in it."""
        if isinstance(answer, NoAnswer):
            return Deferred(answer.why, ambiguous=answer.sent)
        answer = replace(answer, hidden=(*self.request.hidden, *secrets), at=now)
        accepted = self.accept(answer)
        return trouble(answer, now) if accepted is None else accepted

    def once(self) -> "Steps[Out | Trouble]":
        """This call alone, as steps."""
        outcome: Out | Trouble = yield self
        return outcome


Steps = Generator[Call[Any], Any, T]


@dataclass(frozen=True, slots=True)
class Traits:
    """What the relay needs to know of an issuer; whether it refuses a second badge, a template says.

    `held` are the states of a badge that its earner has. `settles`: how long after a call without an answer a
    look-up is believed, where a late call is refused. `finds`: it can be asked what it holds; one that cannot
    is told the same decision again, which must be as good as once. `searches`: its issue itself looks first
    whether the badge is there. `feeds`: it says what happened to badges and templates, whoever did it.
    `rate`: the calls a second that an organization may make, if it says.
    """

    held: frozenset[str]
    settles: timedelta = timedelta()
    finds: bool = True
    searches: bool = False
    feeds: bool = False
    rate: float = math.inf


@dataclass(frozen=True, slots=True)
class Cause:
    """The decision that a call follows, and its `time`: of an award, when the badge was earned.

    `decision` is its id, the same however often the call is made; `rank` orders the decisions of a badge.
    """

    time: datetime
    decision: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that counted for a badge: what a person reads of it, since when, and by which values."""

    name: str
    at: datetime
    values: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The day, and what the values are."""
        return ": ".join(filter(None, (f"{self.at:%Y-%m-%d}", ", ".join(self.values))))


@dataclass(frozen=True, slots=True)
class Award:
    """A badge to issue, and by what to know it if it is there already.

    `expires_at`: None for as the template says at the issuer, False for never. `renews`: the badge that is
    wanted is there, of an earlier award, and is to last longer.
    """

    wanted: "Wanted"
    recipient: Recipient
    cause: Cause
    expires_at: datetime | Literal[False] | None
    notify: bool
    renews: bool = False
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Revocation:
    """A badge to revoke; without a `reason` because it is no longer earned."""

    wanted: "Wanted"
    cause: Cause
    notify: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The badge to look for: of a template, by the issuer's id, and a learner.

    `earners` are the ids under which the site may have issued to the learner, the present one first. If that
    is `unique` to the site, it alone shows whose a badge is; else one of the `addresses`, the newest first,
    must be in the answer. `badge` is the issuer's id of it, empty if it is not known; `own` is ours.
    """

    template: str
    earners: tuple[str, ...]
    unique: bool = False
    addresses: tuple[str, ...] = field(default=(), repr=False)
    badge: str = ""
    own: str = ""

    @property
    def earner(self) -> str:
        """The id by which the site knows the learner at the issuer."""
        return self.earners[0]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of what happened at an organization: the newest, by id, and all that is older."""

    ids: frozenset[str] = frozenset()
    before: datetime | None = None

    def __contains__(self, occurrence: Occurrence) -> bool:
        """True if an occurrence is known, or so old that it must be."""
        at = occurrence.at
        return occurrence.id in self.ids or (self.before is not None and at is not None and at < self.before)


@dataclass(frozen=True, slots=True)
class About:
    """What people read of a template. `criteria` says what has to be done for a badge."""

    name: str
    description: str
    criteria: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What an issuer signs with: the organization's name, address and key, and what it has kept.

    Each partition of the relay has a desk of its own: `number` is in all names that it gives, `kept` holds
    what the issuer wrote down at it, by its own keys. `secret` is what only the key can tell.
    `jwt`: what is signed is signed as a JWT, too.
    """

    organization: str
    name: str
    url: str
    number: int
    kept: Mapping[str, bytes] = field(repr=False)
    key: "SigningKey"
    secret: bytes = field(repr=False)
    jwt: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What a step came to, and what belongs to it: to publish for everybody under these keys (None: to delete
    what is there), and to keep at the desk."""

    outcome: Outcome
    published: Mapping[str, bytes | None] = field(default_factory=dict)
    kept: Mapping[str, bytes] = field(default_factory=dict)


class SigningKey(Protocol):
    """An organization's key. The same data gives the same signature."""

    @property
    def name(self) -> str:
        """The public key, as a command that signs by it is told."""

    def sign(self, data: bytes) -> bytes | None:
        """The signature; None where the private half is elsewhere."""

    def is_signature(self, data: bytes, signature: bytes) -> bool:
        """Whether this is the key's signature of the data."""


Signed = Generator[tuple[bytes, ...], Sequence[bytes], T]
"""Yields what is to be signed, is sent the signatures in the same order, and returns what comes of it."""


class Maker(Protocol):
    """Makes badges itself: nothing is called, so nothing is ever in doubt.

    What it publishes and keeps is written in the unit of work that says so in the relay's table.
    """

    def key(self, text: str) -> SigningKey:
        """The key that a text is, in which the issuer finds no fault."""

    def issue(self, desk: Desk, award: Award, about: About) -> Signed[Made]:
        """Make a badge; the recipient must lack nothing."""

    def revoke(self, desk: Desk, revocation: Revocation) -> Signed[Made]:
        """Say for everybody that a badge is revoked."""

    def erase(self, desk: Desk, wanted: "Wanted", at: datetime) -> Signed[Made]:
        """Delete a badge for good."""


class Issuer(Protocol):
    """One issuer's web service. `organization` and every template and badge are named by the issuer's ids.

    At most one call of an answer `changes` anything; an issuer that needs no network yields none. What has an
    answer here is what not every issuer has or does: one that does not leaves it out.
    """

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts of its own services."""
        return frozenset()

    @property
    def traits(self) -> Traits:
        """What the relay needs to know of it."""

    @property
    def maker(self) -> Maker | None:
        """Of an issuer that needs no network: what makes its badges."""
        return None

    def base_url(self, service: str, url: str | None) -> str:
        """Where an organization's calls go: its own `url`, or what the issuer calls its `service`."""

    def grant_url(self, service: str, url: str | None) -> str:
        """Where an organization's key is exchanged for a token, if it is a client of OAuth 2."""
        return ""

    @property
    def scope(self) -> str:
        """What such a token is to be good for."""
        return ""

    def no_key(self, text: str) -> str:
        """Why a text can be no key of this issuer; empty if it may be one."""

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        """The headers by which the issuer knows the organization; each value ends with what is secret."""

    def page(self, organization: str, service: str, url: str | None, badge: str) -> str:
        """Where people look at a badge that its learner has; empty where that is not known."""
        return ""

    def lacks(self, recipient: Recipient | None) -> str:
        """What is not known of a learner, so that nothing can be issued; empty if nothing is missing."""

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        """Whether badges of a template can be issued."""

    def templates(self, organization: str) -> Steps[TemplatesOutcome]:
        """All templates of an organization, as the issuer describes them."""
        return at_once(Unsupported("it does not list templates"))

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        """Issue a badge; the recipient must lack nothing."""

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        """Revoke a badge; one that the issuer surely does not know, or nobody holds, is revoked."""

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        """Have a badge deleted for good. It may be asked for again: it needs no intent."""

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        """The badge that the learner holds; never one that the answer does not show to be theirs."""

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        """The badge of the learner in whatever state: whether the issuer knows anything of it."""

    def listing(self, organization: str, template: str) -> Steps[ListOutcome]:
        """All badges of a template in whatever state."""
        return at_once(Unsupported("it does not list badges"))

    def feed(self, organization: str, known: Known | None) -> Steps[FeedOutcome]:
        """What has happened at the organization besides what is known; None: it was never asked for."""
        return at_once(Unsupported("it does not say what happens"))

    def key_works(self, organization: str, key: str) -> Steps[KeyOutcome]:
        """Whether the key is good for issuing, by calls that no proxy has a reason to forbid."""
        return at_once(Unsupported("it does not say whether a key works"))

    def key_expiry(self, organization: str, key: str) -> Steps[KeyExpiryOutcome]:
        """When the key expires."""
        return at_once(Unsupported("it does not say when a key expires"))

    def rotate(self, organization: str, key: str) -> Steps[RotateOutcome]:
        """Have the key replaced by a new one; the old one may be over at once."""
        return at_once(Unsupported("it does not replace keys: write a new one where the key is read"))


ENDLESS = "a list does not lead on"
"""What a list is that names a following page, and has nothing on this one that is not known."""


def paged(
    word: str, ask: Callable[[int], Request], read: Callable[[Answer, int], Page[Listed] | Deferred | None]
) -> Steps[tuple[Listed, ...] | Trouble]:
    """All of a list whose pages have numbers, from 1; `ask` is for a page, `read` its answer.

    Each once: a list that changes while it is read shows one on two pages.
    """
    items: dict[str, Listed] = {}
    page: int | None = 1
    while page is not None:
        accept = partial(_of_page, read, page)
        outcome = yield from Call[Page[Listed] | Trouble](word, ask(page), accept).once()
        if not isinstance(outcome, Page):
            return outcome
        known = len(items)
        items |= {item.id: item for item in outcome.items}
        page = outcome.next
        if page is not None and len(items) == known:
            return Deferred(ENDLESS, ambiguous=False)
    return tuple(items.values())


def _of_page(
    read: Callable[[Answer, int], Page[Listed] | Deferred | None], page: int, answer: Answer
) -> Page[Listed] | Deferred | None:
    return read(answer, page)


def no_line(text: str) -> str:
    """Why a text can be no key that goes into a header; empty if it may be one."""
    return (
        "" if text.isprintable() else "what is at its key's reference is no key: it is not one line of text"
    )


def no_address(recipient: Recipient | None) -> str:
    """What to say of a learner whose e-mail address is not known; empty of all others."""
    known = recipient is not None and recipient.email.strip()
    return "" if known else "the learner's e-mail address is not known"


def no_address_or_name(recipient: Recipient | None) -> str:
    """What to say of a learner whose e-mail address is not known, or who has no name; a username is one."""
    named = recipient is not None and (visible(recipient.name) or visible(recipient.username))
    return no_address(recipient) or ("" if named else "the learner's name is not known")


def at_once(outcome: T) -> Steps[T]:
    """What an issuer knows without a call, as steps."""
    yield from ()
    return outcome


async def drive(steps: Steps[T], ask: Callable[[Call[Any]], Awaitable[Any]]) -> T:
    """Make each call of the steps by `ask`, which returns its outcome; return what they come to."""
    outcome = None
    while True:
        try:
            call = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        outcome = await ask(call)
