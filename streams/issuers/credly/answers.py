"""What Credly's answers mean, each to its call; None where they mean what they do with every issuer.

Credly tells its errors apart in words, not by codes. Only words that its documentation or a working client
has are matched; what else it refuses is looked at by another call, in `issuer.py`, not guessed from its text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from streams.issuers.credly.requests import HELD
from streams.issuers.http import Answer
from streams.issuers.issuer import Wanted
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    Deferred,
    Erased,
    EraseOutcome,
    Event,
    FeedPage,
    Found,
    Issued,
    IssuedBadge,
    IssueOutcome,
    IssuerTemplate,
    KeyExpiry,
    KeyExpiryOutcome,
    KeyOutcome,
    KeyRefused,
    KeyWorks,
    LookUpOutcome,
    Missing,
    Occurrence,
    Page,
    Proof,
    Refused,
    Revoked,
    RevokeOutcome,
    Rotated,
    RotateOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplateUnavailable,
    Unsupported,
)
from streams.issuers.words import LONGEST_ID, document, identifier, mapping, number, redacted, text

LOOK_UP_PAGES = 20
"""A look-up is about one learner; if it has more pages than this, of 50 badges, Credly ignored the filter."""

EVENTS: Mapping[str, Event] = {
    "badge.created": "created",
    "badge.deleted": "deleted",
    "badge.state.changed": "state_changed",
    "badge.privacy.changed": "privacy_changed",
    "badge_template.created": "template",
    "badge_template.changed": "template",
    "badge_template.deleted": "template",
}
"""Credly's types of events."""
STATES = frozenset((*HELD, "rejected", "revoked", "expired"))
"""Of a badge; what else an event says of it, nothing here would understand."""

_OF_EVERYTHING = (401, 429)
"""What says of each call, not only of this one, that it may not be made, or not now."""

_OFFSET = re.compile(r" ([+-]\d\d:?\d\d)$")
_ALREADY_ISSUED = re.compile(r"\balready has this badge\b", re.I)
_NOT_FOUND = re.compile(r"\bresource not found\b", re.I)
_ARCHIVED = re.compile(r"\barchived badge template\b", re.I)


def issued(answer: Answer) -> IssueOutcome | None:
    """What became of an issue."""
    if answer.status in (200, 201):
        data = mapping(document(answer.body).get("data"))
        if badge := identifier(data.get("id")):
            return Issued(badge, _word(data.get("state")) or "pending")
        return Deferred(f"{answer.status} without a badge's id", ambiguous=True)
    if answer.status == 404:
        return TemplateUnavailable(answer.why)
    if answer.status != 422:
        return None
    said = answer.said
    if _ALREADY_ISSUED.search(said):
        return AlreadyIssued(f"422: {said}")
    return TemplateUnavailable(f"422: {said}") if _ARCHIVED.search(said) else None


def replaced(answer: Answer) -> IssueOutcome | None:
    """What became of a replacement; one that was made before, without an answer, is done."""
    if answer.status in (200, 201):
        return issued(answer)
    if answer.status == 404:
        found = _missing(answer)
        return Refused(found.why) if isinstance(found, Missing) else found
    replacement = identifier(mapping(document(answer.body).get("metadata")).get("current_badge_id"))
    return Issued(replacement, "pending") if answer.status == 422 and replacement else None


def revoked(answer: Answer) -> RevokeOutcome | Missing | None:
    """What became of a revocation."""
    if answer.status in (200, 201):
        return _revoked_badge(answer)
    if answer.status == 404:
        return _missing(answer)
    replacement = text(mapping(document(answer.body).get("metadata")).get("current_badge_id"))
    if answer.status == 422 and replacement:
        return Refused(f"{answer.why} (the badge was replaced by {redacted(replacement, answer.hidden)})")
    return None


def shown(answer: Answer, what: str) -> Found | Missing | Deferred | None:
    """The state of a badge or template that was asked for by its id, `what`."""
    if answer.status == 404:
        return _missing(answer)
    if answer.status != 200:
        return None
    data = mapping(document(answer.body).get("data"))
    if identifier(data.get("id")).casefold() == what.casefold():
        return Found(what, _word(data.get("state")))
    return Deferred("200 without what was asked for", ambiguous=False)


def erased(answer: Answer) -> EraseOutcome | Missing | None:
    """What became of a deletion. A key that may not delete is still good for its other uses."""
    if answer.status in (200, 201, 202, 204):
        return Erased()
    if answer.status == 404:
        return _missing(answer)
    return Refused(answer.why) if answer.status == 403 else None


def found(
    answer: Answer,
    wanted: Wanted,
    page: int,
    *,
    states: Sequence[str] = HELD,
    before: Sequence[IssuedBadge] = (),
) -> LookUpOutcome | Page[IssuedBadge] | None:
    """What a look-up found; a `Page` if the next must be asked for, with its badges as `before`.

    A badge that does not show that it is the learner's is never taken for theirs.
    """
    if answer.status == 404:
        return TemplateUnavailable(answer.why)
    seen = listed(answer, page)
    if not isinstance(seen, Page):
        return seen
    for badge in (maybe := [badge for badge in seen.items if _may_be(badge, wanted, states)]):
        if proof := _proof(badge, wanted):
            return Found(badge.id, badge.state, proof)
    if seen.next is None:
        return Absent(unproven=len(before) + len(maybe))
    if page >= LOOK_UP_PAGES:
        return Refused(f"a look-up lists more than {LOOK_UP_PAGES} pages")
    return Page((*before, *maybe), seen.next)


def template(answer: Answer) -> TemplateOutcome | None:
    """Whether badges of a template can be issued."""
    if answer.status == 404:
        return TemplateUnavailable(answer.why)
    if answer.status != 200:
        return None
    data = mapping(document(answer.body).get("data"))
    state = text(data.get("state"))
    if not data:
        return Deferred("200 without a template", ambiguous=False)
    if state and state != "active":
        return TemplateUnavailable(f"the template is {redacted(state, answer.hidden)}")
    # If Credly does not say, the dangerous case is assumed.
    return TemplateActive(allows_duplicates=data.get("allow_duplicate_badges") is not False)


def templates(answer: Answer, page: int) -> Page[IssuerTemplate] | Deferred | None:
    """A page of badge templates."""
    read = _page(answer, page, "templates")
    return Page(tuple(_templates(read[0])), read[1]) if isinstance(read, tuple) else read


def listed(answer: Answer, page: int) -> Page[IssuedBadge] | Deferred | None:
    """A page of badges."""
    read = _page(answer, page, "badges")
    return Page(tuple(_badges(read[0])), read[1]) if isinstance(read, tuple) else read


def events(answer: Answer, page: int) -> FeedPage | Unsupported | None:
    """A page of what happened. That there is none says nothing about the key's other uses."""
    if answer.status in _OF_EVERYTHING:
        return None
    read = _page(answer, page, "events")
    if not isinstance(read, tuple):
        return Unsupported(read.why if read else answer.why)
    last = number(mapping(document(answer.body).get("metadata")).get("total_pages"))
    return FeedPage(tuple(map(_occurrence, read[0])), read[1], last)


def event(answer: Answer, asked: Occurrence) -> FeedPage | Unsupported | None:
    """One event with what it is about; one that says nothing more cannot be read."""
    if answer.status in _OF_EVERYTHING:
        return None
    if answer.status not in (200, 404):
        return Unsupported(answer.why)
    found = _occurrence(document(answer.body).get("data"))
    says = found.id == asked.id and not found.lacks
    return FeedPage((found if says else replace(asked, event="unreadable"),), None)


def key_expiry(answer: Answer, key: str) -> KeyExpiryOutcome | None:
    """When the key expires. Not every key may ask, which says nothing about its other uses."""
    if answer.status != 200:
        return Unsupported(answer.why)
    shown = _token(answer, key)
    return KeyExpiry(_time(text(shown.get("expires_at"))) if shown else None)


def rotated(answer: Answer) -> RotateOutcome | None:
    """The key that replaces the old one. A key may have no right to it."""
    if answer.status in (403, 404):
        return Unsupported(answer.why)
    if answer.status not in (200, 201):
        return None
    key = text(mapping(document(answer.body).get("data")).get("token"))
    if key and key.isascii() and key.isprintable() and " " not in key:
        return Rotated(key)
    return Deferred(f"{answer.status} without a token", ambiguous=True)


def rights(answer: Answer, key: str) -> KeyOutcome:
    """Whether the key may write, by the list of keys; it may where the list does not deny it."""
    if answer.status != 200:
        return Unsupported(answer.why)
    if (_token(answer, key) or {}).get("write_enabled") is False:
        return KeyRefused("the key has no right to write")
    return KeyWorks()


def key_works(answer: Answer) -> KeyOutcome | None:
    """Whether the key may see its organization."""
    if answer.status == 403:
        return KeyRefused(answer.why)
    return KeyWorks() if answer.status == 200 else None


def _token(answer: Answer, key: str) -> Mapping[str, Any] | None:
    """What a list of keys says of this one."""
    tokens = document(answer.body).get("data")
    described = [item for item in tokens if isinstance(item, dict)] if isinstance(tokens, list) else []
    own = [item for item in described if key and key in (item.get("token"), item.get("id"))]
    chosen = own or (described if len(described) == 1 else [])
    return chosen[0] if chosen else None


def _page(answer: Answer, page: int, what: str) -> tuple[Sequence[Any], int | None] | Deferred | None:
    """The items of a page, and the number of the following one."""
    if answer.status != 200:
        return None
    body = document(answer.body)
    items = body.get("data")
    if not isinstance(items, list):
        return Deferred(f"200 without a list of {what}", ambiguous=False)
    following = _next_page(mapping(body.get("metadata")), page)
    if following is not None and following <= page:
        return Deferred(f"page {page} of a list does not lead on", ambiguous=False)
    return items, following


def _missing(answer: Answer) -> Missing | Deferred:
    """Whether Credly itself says so: a proxy in front, or a page of another site, knows nothing of badges."""
    if _NOT_FOUND.search(text(document(answer.body).get("message"))):
        return Missing(answer.why)
    return Deferred(answer.why, ambiguous=True)


def _revoked_badge(answer: Answer) -> Revoked | Deferred:
    if _word(mapping(document(answer.body).get("data")).get("state")) in ("", *HELD):
        # Either a proxy answered and not Credly, or Credly still holds the badge.
        return Deferred(f"{answer.status} without a revoked badge", ambiguous=True)
    return Revoked()


def _may_be(badge: IssuedBadge, wanted: Wanted, states: Sequence[str]) -> bool:
    held = not states or badge.state in states
    # UUIDs are the same in any case.
    of_template = badge.template.casefold() in ("", wanted.template.casefold())
    return held and badge.earner in ("", *wanted.earners) and of_template


def _proof(badge: IssuedBadge, wanted: Wanted) -> Proof | None:
    """What shows that a badge is the learner's; None if nothing does."""
    if wanted.unique and badge.earner == wanted.earner:
        return "site"
    if badge.addresses.isdisjoint(email.strip().casefold() for email in wanted.addresses):
        return None
    return "earner" if badge.earner == wanted.earner else "address"


def _badges(items: Sequence[Any]) -> Iterator[IssuedBadge]:
    for item in items:
        badge = mapping(item)
        emails = text(badge.get("recipient_email")), text(mapping(badge.get("user")).get("email"))
        if id := identifier(badge.get("id")):
            yield IssuedBadge(
                id,
                _word(badge.get("state")),
                text(mapping(badge.get("badge_template")).get("id")),
                text(badge.get("issuer_earner_id")),
                frozenset(email.strip().casefold() for email in emails if email.strip()),
                text(badge.get("issued_at")),
            )


def _templates(items: Sequence[Any]) -> Iterator[IssuerTemplate]:
    for item in map(mapping, items):
        if id := identifier(item.get("id")):
            yield IssuerTemplate(
                id,
                text(item.get("name")),
                text(item.get("description")),
                text(item.get("image_url")),
                active=text(item.get("state")) in ("", "active"),
            )


def _occurrence(item: object) -> Occurrence:
    """An event, in the list or alone. Without an id it is known by what it says."""
    said = mapping(item)
    badge = mapping(said.get("badge"))
    template = mapping(said.get("badge_template")) or mapping(badge.get("badge_template"))
    event = EVENTS.get(_word(said.get("event_type")).replace("_changed", ".changed"), "other")
    id, at = identifier(said.get("id")), _moment(text(said.get("occurred_at")))
    if not id or at is None:
        event, id = "unreadable", id or blake2b(orjson.dumps(item), digest_size=16).hexdigest()
    state = _word(badge.get("state")) if event == "state_changed" else ""
    return Occurrence(
        id,
        event,
        at,
        identifier(badge.get("id")),
        "deleted" if event == "deleted" else state if state in STATES else "",
        identifier(template.get("id")),
        _word(badge.get("issuer_earner_id")),
    )


def _next_page(metadata: Mapping[str, Any], page: int) -> int | None:
    current, total = number(metadata.get("current_page")), number(metadata.get("total_pages"))
    if current is not None and total is not None:
        return current + 1 if current < total else None
    url = text(metadata.get("next_page_url"))
    match = re.search(r"[?&]page=(\d+)(?:[&#]|$)", url, re.ASCII)
    following = number(match[1]) if match else None
    return following or (page + 1 if url else None)


def _word(value: object) -> str:
    return text(value)[:LONGEST_ID]


def _moment(text: str) -> datetime | None:
    """A time in UTC; None for one that is none, or that no clock shows there."""
    at = _time(text)
    try:
        return at and at.astimezone(UTC)
    except OverflowError:
        return None


def _time(text: str) -> datetime | None:
    # As Credly's documentation has it, too: `2014-04-01 09:41:00 -0500`.
    text = _OFFSET.sub(r"\1", text.replace(" UTC", "+00:00"))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
