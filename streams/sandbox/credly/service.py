"""The service: who may call, what a call does to the books, what is answered."""

import base64
import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import orjson

from streams.sandbox.credly import documents
from streams.sandbox.credly.books import HELD_STATES, Books, CredlyBadge, CredlyTemplate
from streams.sandbox.credly.calls import Entry, Incoming, RefusalError, Reply, incoming, unprocessable
from streams.sandbox.credly.faults import Fault, Schedule, body_of

NAMESPACE = UUID("6a0f3c1e-58a5-4b54-9d8e-1f0a9a4a7c11")
"""Of the badges' ids: the same calls get the same ids in every run."""


class CredlySimulator:
    """Credly without any network. `now` gives its time in seconds, `draw` its random numbers from 0 to 1.

    `keys` are by organization; `latency` is how many seconds each answer takes; a list ignores the filters
    named in `ignored_filters`.
    """

    def __init__(self, now: Callable[[], float] = time.time, draw: Callable[[], float] | None = None) -> None:
        self.keys: dict[str, str] = {}
        self.key_expires_at = "2030-01-01T00:00:00.000+00:00"
        self.journal: list[Entry] = []
        self.latency = 0.0
        self.ignored_filters: set[str] = set()
        self._books = Books()
        self._schedule = Schedule(draw or random.Random(7).random)
        self._now = now
        self._numbers = itertools.count(1)
        self._issued = itertools.count()

    @property
    def templates(self) -> dict[str, CredlyTemplate]:
        """Templates by id."""
        return self._books.templates

    @property
    def badges(self) -> dict[str, CredlyBadge]:
        """Badges by id, in the order in which they were issued."""
        return self._books.badges

    def add_organization(self, organization: str, key: str) -> None:
        """Know an organization by this key from now on."""
        self.keys[organization] = key

    def add_template(
        self, organization: str, template: str, state: str = "active", allow_duplicate_badges: bool = False
    ) -> None:
        """Add a template, or change it."""
        self.templates[template] = CredlyTemplate(template, organization, state, allow_duplicate_badges)

    def schedule(self, faults: Iterable[Fault]) -> None:
        """Make these faults from now on, and no others."""
        self._schedule.set(faults)

    def happened(self, index: int) -> int:
        """How often the schedule's fault at this index has been made."""
        return self._schedule.made(index)

    def held(self) -> list[CredlyBadge]:
        """The badges that somebody holds."""
        return self._books.held()

    def set_state(self, badge: str, state: str) -> None:
        """Do what an earner or an operator does on Credly's site."""
        self.badges[badge].state = state

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a call."""
        call = incoming(method, target, headers, body)
        number, at = next(self._numbers), self._now()
        entry = Entry(number, at, call.organization, call.endpoint, method, call.path, 0, False)
        fault = self._schedule.due(call)
        if fault is not None and fault.kind in ("error", "reset_before"):
            return self._fail(entry, fault, call)
        try:
            self._authenticate(call)
            reply, entry = self._serve(call, entry)
        except RefusalError as refusal:
            reply = Reply(refusal.status, orjson.dumps(refusal.body))
        if fault is not None and fault.kind in ("lost", "reset_after"):
            return self._fail(entry, fault, call)
        self.journal.append(replace(entry, status=reply.status, fault=fault.kind if fault else ""))
        delay = self.latency + (fault.seconds if fault is not None else 0.0)
        return replace(reply, delay=delay)

    def slow_before(self, method: str, target: str) -> float:
        """Seconds to wait before `handle` is called; faults of this kind count their calls here."""
        fault = self._schedule.due(incoming(method, target, {}, b""), before=True)
        return fault.seconds if fault is not None else 0.0

    def _fail(self, entry: Entry, fault: Fault, call: Incoming) -> Reply:
        reset = fault.kind.startswith("reset")
        self.journal.append(replace(entry, status=0 if reset else fault.status, fault=fault.kind))
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        return Reply(fault.status, body_of(fault, call), headers, self.latency + fault.seconds, reset)

    def _authenticate(self, call: Incoming) -> None:
        expected = base64.b64encode(f"{self.keys.get(call.organization)}:".encode()).decode()
        if call.header("authorization") != f"Basic {expected}" or call.organization not in self.keys:
            message = "Invalid authorization token or organization"
            raise RefusalError(401, {"data": {"message": message}, "metadata": {}})

    def _serve(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        books, organization = self._books, call.organization
        match call.method, call.rest:
            case "POST", ("badges",):
                return self._issue(organization, call.document, entry)
            case "GET", ("badges",):
                return self._list(call), entry
            case "GET", ("badges", badge):
                return _shown(books.badge(organization, badge)), entry
            case "PUT", ("badges", badge, "revoke"):
                return self._revoke(books.badge(organization, badge), call.document, entry)
            case "DELETE", ("badges", badge):
                return self._erase(books.badge(organization, badge), entry)
            case "GET", ("badge_templates", template):
                found = books.template(organization, template)
                return documents.one(documents.template_document(found)), entry
            case "GET", ("authorization_tokens",):
                return self._tokens(organization), entry
            case "GET", ("",):
                return documents.one({"id": organization, "name": "Sandbox"}), entry
        raise RefusalError(404, {"message": "resource not found"})

    def _issue(self, organization: str, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        template = self._books.template(organization, str(wanted.get("badge_template_id")))
        if template.state != "active":
            raise unprocessable("an archived badge template cannot be used to issue new badges")
        documents.check_issue(wanted)
        email, earner = wanted["recipient_email"], str(wanted.get("issuer_earner_id") or "")
        if not template.allow_duplicate_badges and self._books.holds(template.id, email, earner):
            raise unprocessable("User already has this badge")
        badge = CredlyBadge(
            id=str(uuid5(NAMESPACE, f"{organization}:{next(self._issued)}")),
            organization=organization,
            template=template.id,
            email=email,
            first_name=wanted["issued_to_first_name"],
            last_name=wanted["issued_to_last_name"],
            earner=earner,
            issued_at=wanted["issued_at"],
            expires_at=wanted.get("expires_at"),
        )
        self._books.add(badge)
        suppressed = bool(wanted.get("suppress_badge_notification_email"))
        entry = replace(_done(entry, badge), issued_at=badge.issued_at, suppressed=suppressed)
        return _shown(badge, 201), entry

    def _revoke(self, badge: CredlyBadge, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        if not wanted.get("reason"):
            raise unprocessable("Validation failed: Revocation reason can't be blank")
        if badge.state not in HELD_STATES:
            raise unprocessable(
                f"Validation failed: This badge cannot be revoked because it is {badge.state}"
            )
        badge.state, badge.revocation_reason = "revoked", str(wanted["reason"])
        suppressed = bool(wanted.get("suppress_revoke_notification_email"))
        return _shown(badge), replace(_done(entry, badge), suppressed=suppressed)

    def _erase(self, badge: CredlyBadge, entry: Entry) -> tuple[Reply, Entry]:
        self._books.remove(badge)
        return _shown(badge), _done(entry, badge)

    def _list(self, call: Incoming) -> Reply:
        wanted = documents.filters(call.query)
        used = {name: values for name, values in wanted.items() if name not in self.ignored_filters}
        found = self._books.search(call.organization, used)
        return documents.page(found, int(call.query.get("page", ["1"])[0]))

    def _tokens(self, organization: str) -> Reply:
        key = self.keys[organization]
        listed = [{"token": key, "expires_at": self.key_expires_at, "write_enabled": True}]
        return Reply(200, orjson.dumps({"data": listed, "metadata": {}}))


def _shown(badge: CredlyBadge, status: int = 200) -> Reply:
    return documents.one(documents.badge_document(badge), status)


def _done(entry: Entry, badge: CredlyBadge) -> Entry:
    return replace(entry, done=True, template=badge.template, earner=badge.earner, badge=badge.id)
