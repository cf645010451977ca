"""Accredible's books: groups and credentials, and how both are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any


@dataclass(slots=True)
class Group:
    """A group of an account."""

    id: int
    account: str
    allow_duplicates: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """As it is shown."""
        return {
            "id": self.id,
            "name": f"Group {self.id}",
            "course_name": f"Course {self.id}",
            "allow_duplicate_credentials": self.allow_duplicates,
            "auto_expiry": None,
        }


@dataclass(slots=True)
class Credential:
    """A credential; `license_id` and `earner` are the issuer's own ids of it and of the recipient.

    `changes` are how it was until a time, oldest first: a search may be late.
    """

    id: int
    group: Group
    license_id: str
    earner: str
    name: str
    email: str
    issued_on: str
    expired_on: str | None
    approve: bool
    since: float
    changes: list[tuple[float, "Credential"]] = field(default_factory=list, repr=False)

    @property
    def template(self) -> str:
        """The group's number, as a catalog has it."""
        return str(self.group.id)

    def held(self, today: date) -> bool:
        """Whether somebody holds it: it is published and has not expired."""
        return self.approve and (self.expired_on is None or date.fromisoformat(self.expired_on) > today)

    def change(self, at: float, **changes: Any) -> None:
        """Be otherwise from now on."""
        self.changes.append((at, replace(self, changes=[])))
        for name, value in changes.items():
            setattr(self, name, value)

    def as_of(self, at: float) -> "Credential | None":
        """As it was at a time; None if it was not there."""
        if at < self.since:
            return None
        return next((before for until, before in self.changes if at < until), self)

    @property
    def document(self) -> dict[str, Any]:
        """As it is shown when it is asked for by its id, which is a text there."""
        return {
            "id": str(self.id),
            "name": f"Course {self.group.id}",
            "approve": self.approve,
            "complete": True,
            "issued_on": self.issued_on,
            "expired_on": self.expired_on,
            "group_id": self.group.id,
            "url": f"https://www.credential.net/{self.id}",
            "private": False,
            "recipient": {"name": self.name, "email": self.email, "id": self.earner or None},
        }

    @property
    def found(self) -> dict[str, Any]:
        """As a search shows it: with a number for an id, and the recipient in other words."""
        return {
            "id": self.id,
            "approve": self.approve,
            "license_id": self.license_id or None,
            "issued_on": self.issued_on,
            "expired_on": self.expired_on,
            "group": {"id": self.group.id, "name": f"Group {self.group.id}"},
            "recipient_name": self.name,
            "recipient_email": self.email,
            "recipient_id": self.earner or None,
            "meta_data": {},
        }

    def matches(self, query: Mapping[str, Any]) -> bool:
        """Whether a search's query finds it."""
        return all(self._is(name, value) for name, value in query.items())

    def _is(self, name: str, value: Any) -> bool:
        field, _, operation = name.removesuffix("]").partition("[")
        known = {
            "license_id": self.license_id,
            "group.id": str(self.group.id),
            "recipient_email": self.email.casefold(),
            "recipient_id": self.earner,
        }
        values = value if operation == "in" else [value]
        return known[field] in [str(wanted).casefold() for wanted in values]
