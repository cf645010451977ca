"""Credly's books: the badge templates and the issued badges, and how they are found."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from streams.sandbox.credly.calls import RefusalError

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


@dataclass(slots=True)
class CredlyBadge:
    """A badge that was issued; `earner` is the issuer's own id of the earner, empty if none was given."""

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


Entered = TypeVar("Entered", CredlyTemplate, CredlyBadge)


class Books:
    """Everything that Credly knows of templates and badges."""

    def __init__(self) -> None:
        self.templates: dict[str, CredlyTemplate] = {}
        self.badges: dict[str, CredlyBadge] = {}
        self._of_earner: defaultdict[_Key, list[str]] = defaultdict(list)

    def add(self, badge: CredlyBadge) -> None:
        """Enter a badge."""
        self.badges[badge.id] = badge
        for key in _keys(badge.template, badge.email, badge.earner):
            self._of_earner[key].append(badge.id)

    def remove(self, badge: CredlyBadge) -> None:
        """Forget a badge."""
        del self.badges[badge.id]
        for key in _keys(badge.template, badge.email, badge.earner):
            self._of_earner[key].remove(badge.id)

    def template(self, organization: str, id: str) -> CredlyTemplate:
        """The organization's template; raises `RefusalError` if it has none with this id."""
        return _of(organization, self.templates.get(id))

    def badge(self, organization: str, id: str) -> CredlyBadge:
        """The organization's badge; raises `RefusalError` if it has none with this id."""
        return _of(organization, self.badges.get(id))

    def held(self) -> list[CredlyBadge]:
        """The badges that somebody holds."""
        return [badge for badge in self.badges.values() if badge.state in HELD_STATES]

    def holds(self, template: str, email: str, earner: str) -> bool:
        """Whether the earner, by address or id, holds a badge of the template."""
        found = (self.badges[id] for key in _keys(template, email, earner) for id in self._of_earner[key])
        return any(badge.state in HELD_STATES for badge in found)

    def search(self, organization: str, filters: Mapping[str, Sequence[str]]) -> list[CredlyBadge]:
        """The organization's badges that match all filters, oldest first; unknown filters match all."""
        found = [badge for badge in self._candidates(filters) if badge.organization == organization]
        for name, values in filters.items():
            found = [badge for badge in found if _matches(badge, name, values)]
        return found

    def _candidates(self, filters: Mapping[str, Sequence[str]]) -> list[CredlyBadge]:
        """Only the badges of one earner and template if the filters name them, for speed; else all."""
        template = filters.get("badge_template_id", ("",))
        for name, kind in (("issuer_earner_id", "earner"), ("recipient_email_all", "email")):
            if name in filters and len(template) == len(filters[name]) == 1:
                ids = self._of_earner[(template[0], kind, filters[name][0].casefold())]
                return [self.badges[id] for id in ids]
        return list(self.badges.values())


def _of(organization: str, found: Entered | None) -> Entered:
    if found is None or found.organization != organization:
        raise RefusalError(404, {"message": "resource not found"})
    return found


def _keys(template: str, email: str, earner: str) -> list[_Key]:
    keys = [(template, "email", email.casefold())]
    if earner:
        keys.append((template, "earner", earner.casefold()))
    return keys


def _matches(badge: CredlyBadge, name: str, values: Sequence[str]) -> bool:
    match name:
        case "state":
            return badge.state in values
        case "badge_template_id":
            return badge.template in values
        case "issuer_earner_id":
            return badge.earner in values
        case "recipient_email" | "recipient_email_all":
            return badge.email.casefold() in (value.casefold() for value in values)
    return True
