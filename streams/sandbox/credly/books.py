"""Credly's books: the badge templates and the issued badges, and how they are found."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from streams.sandbox.issuers.calls import RefusalError

HELD_STATES = ("pending", "accepted")

_Key = tuple[str, str, str]
"""A template's id, and an earner by kind (`earner`, `email`) and value."""


@dataclass(slots=True)
class CredlyTemplate:
    """A badge template."""

    id: str
    organization: str
    state: str = "active"
    allow_duplicate_badges: bool = False
    name: str = ""
    description: str = ""
    image_url: str = ""


@dataclass(slots=True)
class CredlyBadge:
    """A badge that was issued; `earner` is the issuer's own id of the earner, empty if none was given.

    `replaced_by` and `replaces` are ids of badges. `changes` are its states, each with the time since when.
    """

    id: str
    organization: str
    template: str
    email: str
    first_name: str
    last_name: str
    earner: str
    issued_at: str
    expires_at: Any
    state: str = "pending"
    revocation_reason: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    changes: list[tuple[float, str]] = field(default_factory=list)
    evidence: Sequence[Mapping[str, Any]] = ()

    @property
    def held(self) -> bool:
        """Whether somebody holds it: a replaced badge is superseded by its replacement."""
        return self.state in HELD_STATES and self.replaced_by is None

    def change(self, state: str, at: float) -> None:
        """Be in another state from now on; empty for erased."""
        self.state = state
        self.changes.append((at, state))

    def as_of(self, at: float) -> "CredlyBadge | None":
        """The badge as it was at a time; None if there was none."""
        state = next((state for since, state in reversed(self.changes) if since <= at), "")
        if not state:
            return None
        return self if state == self.state else replace(self, state=state)


Entered = TypeVar("Entered", CredlyTemplate, CredlyBadge)


class Books:
    """Everything that Credly knows of templates, badges and people's accounts."""

    def __init__(self) -> None:
        self.templates: dict[str, CredlyTemplate] = {}
        self.badges: dict[str, CredlyBadge] = {}
        self._erased: list[CredlyBadge] = []
        self._accounts: dict[str, tuple[str, ...]] = {}
        self._of_earner: defaultdict[_Key, list[str]] = defaultdict(list)

    def add_account(self, emails: Sequence[str]) -> None:
        """Know that these addresses are one person's; the first is the primary one."""
        addresses = tuple(email.casefold() for email in emails)
        self._accounts |= dict.fromkeys(addresses, addresses)

    def account(self, email: str) -> tuple[str, ...]:
        """All addresses of the account with this one; empty if nobody has one."""
        return self._accounts.get(email.casefold(), ())

    def add(self, badge: CredlyBadge, at: float) -> None:
        """Enter a badge."""
        badge.change(badge.state, at)
        self.badges[badge.id] = badge
        for key in _keys(badge.template, [badge.email], badge.earner):
            self._of_earner[key].append(badge.id)

    def erase(self, badge: CredlyBadge, at: float) -> None:
        """Remove a badge; a list may still show it for a while."""
        badge.change("", at)
        del self.badges[badge.id]
        self._erased.append(badge)
        for key in _keys(badge.template, [badge.email], badge.earner):
            self._of_earner[key].remove(badge.id)

    def template(self, organization: str, id: str) -> CredlyTemplate:
        """The organization's template; raises `RefusalError` if it has none with this id."""
        return _of(organization, self.templates.get(id))

    def badge(self, organization: str, id: str) -> CredlyBadge:
        """The organization's badge; raises `RefusalError` if it has none with this id."""
        return _of(organization, self.badges.get(id))

    def shown(self, organization: str, id: str, at: float) -> CredlyBadge:
        """The organization's badge as it was at a time; raises `RefusalError` if it had none then."""
        known = self.badges.get(id) or next((badge for badge in self._erased if badge.id == id), None)
        return _of(organization, known and known.as_of(at))

    def held(self) -> list[CredlyBadge]:
        """The badges that somebody holds."""
        return [badge for badge in self.badges.values() if badge.held]

    def holds(self, template: str, email: str, earner: str) -> bool:
        """Whether the earner, by any address of the account or by id, holds a badge of the template."""
        keys = _keys(template, self.account(email) or [email], earner)
        return any(self.badges[id].held for key in keys for id in self._of_earner[key])

    def search(self, organization: str, filters: Mapping[str, Sequence[str]], at: float) -> list[CredlyBadge]:
        """The organization's badges as they were at a time that match all filters; unknown ones match all."""
        then = (badge.as_of(at) for badge in self._candidates(filters))
        found = [badge for badge in then if badge is not None and badge.organization == organization]
        for name, values in filters.items():
            found = [badge for badge in found if self._matches(badge, name, values)]
        return found

    def _candidates(self, filters: Mapping[str, Sequence[str]]) -> Iterator[CredlyBadge]:
        """Only the badges of one earner and template if the filters name them, for speed; else all."""
        template, earners = filters.get("badge_template_id", ()), filters.get("issuer_earner_id", ())
        emails = filters.get("recipient_email_all", ())
        if len(template) == 1 and len(earners) + len(emails) == 1:
            addresses = [address for email in emails for address in self.account(email) or [email]]
            for key in _keys(template[0], addresses, "".join(earners)):
                yield from (self.badges[id] for id in self._of_earner[key])
        else:
            yield from self.badges.values()
        yield from self._erased

    def _matches(self, badge: CredlyBadge, name: str, values: Sequence[str]) -> bool:
        match name:
            case "state":
                return badge.state in values
            case "badge_template_id":
                return badge.template in values
            case "issuer_earner_id":
                return badge.earner in values
            case "recipient_email":
                return badge.email.casefold() in map(str.casefold, values)
            case "recipient_email_all":
                addresses = {badge.email.casefold(), *self.account(badge.email)}
                return not addresses.isdisjoint(map(str.casefold, values))
        return True


def _of(organization: str, found: Entered | None) -> Entered:
    if found is None or found.organization != organization:
        raise RefusalError(404, {"message": "resource not found"})
    return found


def _keys(template: str, emails: Sequence[str], earner: str) -> list[_Key]:
    keys = [(template, "email", email.casefold()) for email in emails]
    if earner:
        keys.append((template, "earner", earner.casefold()))
    return keys
