"""What happened at an organization, as Credly's list of events tells it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from streams.sandbox.credly import documents
from streams.sandbox.credly.manners import Manners
from streams.sandbox.issuers.calls import RefusalError, Reply

NAMESPACE = UUID("0b1f7b36-5d1c-4f7e-9a57-6f3c1c9f0d21")
"""Of the events' ids: the same calls get the same ids in every run."""


@dataclass(frozen=True, slots=True)
class CredlyEvent:
    """Something of a `type` that happened to a badge or template, which it is `about`, as it was then."""

    id: str
    organization: str
    type: str
    at: float
    about: Mapping[str, Any]

    def document(self, *, tells: bool) -> dict[str, Any]:
        """The event as Credly shows it."""
        at = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        said = {"id": self.id, "organization_id": self.organization, "event_type": self.type}
        about = {self.type.partition(".")[0]: self.about} if tells else {}
        return {**said, "occurred_at": at, **about, documents.ADDED: 1}


class Events:
    """All that happened, in its order."""

    def __init__(self) -> None:
        self._events: list[CredlyEvent] = []

    def add(self, organization: str, type: str, at: float, about: Mapping[str, Any]) -> CredlyEvent:
        """Know that something happened."""
        id = str(uuid5(NAMESPACE, f"{organization}:{len(self._events)}"))
        event = CredlyEvent(id, organization, type, at, about)
        self._events.append(event)
        return event

    def page(self, organization: str, number: int, now: float, manners: Manners) -> Reply:
        """A page of the organization's list."""
        shown = [
            event for event in self._shown(organization, now, manners) for _ in range(1 + manners.feed_twice)
        ]
        if not manners.feed_oldest_first:
            shown.reverse()
        pages = max(1, -(-len(shown) // documents.PAGE))
        some = shown[(number - 1) * documents.PAGE : number * documents.PAGE]
        metadata = {"current_page": number, "total_pages": pages, "total_count": len(shown)}
        return documents.many([event.document(tells=manners.feed_tells) for event in some], metadata)

    def one(self, organization: str, id: str, now: float, manners: Manners) -> Reply:
        """One event, with what it is about; raises `RefusalError` if it is not there."""
        for event in self._shown(organization, now, manners):
            if event.id == id:
                return documents.one(event.document(tells=True))
        raise RefusalError(404, {"message": "resource not found"})

    def _shown(self, organization: str, now: float, manners: Manners) -> Iterator[CredlyEvent]:
        own = [event for event in self._events if event.organization == organization]
        kept = own if manners.feed_keeps is None else own[-manners.feed_keeps :]
        return (event for event in kept if event.at <= now - manners.feed_lag)
