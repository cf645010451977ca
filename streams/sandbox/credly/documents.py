"""The JSON in which Credly speaks: its answers, the filters of a list, what an issue must hold."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson

from streams.sandbox.credly.books import CredlyBadge, CredlyTemplate
from streams.sandbox.credly.calls import unprocessable
from streams.sandbox.issuers.calls import Reply

PAGE = 50
"""Badges on a page of a list, as at Credly."""
ADDED = "attribute_of_tomorrow"
"""Credly adds attributes without notice: this one stands for them."""


def one(data: Mapping[str, Any], status: int = 200) -> Reply:
    """The answer that holds one document."""
    return Reply(status, orjson.dumps({"data": data, "metadata": {}}))


def many(data: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any] = MappingProxyType({})) -> Reply:
    """The answer that holds a list."""
    return Reply(200, orjson.dumps({"data": data, "metadata": {**metadata}}))


def page_of_templates(templates: Sequence[CredlyTemplate], number: int) -> Reply:
    """The answer with a page of the templates."""
    pages = max(1, -(-len(templates) // PAGE))
    shown = templates[(number - 1) * PAGE : number * PAGE]
    metadata = {"current_page": number, "total_pages": pages, "total_count": len(templates), "per": PAGE}
    return many([template_document(template) for template in shown], metadata)


def page(
    badges: Sequence[CredlyBadge], number: int, url: str, account: Callable[[str], Sequence[str]]
) -> Reply:
    """The answer with a page of a list at `url`; pages count from 1, and their addresses have no filter."""
    pages = max(1, -(-len(badges) // PAGE))
    shown = badges[(number - 1) * PAGE : number * PAGE]
    metadata = {
        "count": len(shown),
        "current_page": number,
        "total_count": len(badges),
        "total_pages": pages,
        "per": PAGE,
        "previous_page_url": f"{url}?page={number - 1}" if number > 1 else None,
        "next_page_url": f"{url}?page={number + 1}" if number < pages else None,
    }
    return many([badge_document(badge, account(badge.email)) for badge in shown], metadata)


def template_document(template: CredlyTemplate) -> dict[str, Any]:
    """A template as Credly shows it."""
    return {
        "id": template.id,
        "state": template.state,
        "allow_duplicate_badges": template.allow_duplicate_badges,
        "name": template.name or f"Template {template.id[:8]}",
        "description": template.description or None,
        "image_url": template.image_url or None,
        "owner": {"id": template.organization},
        ADDED: {"since": "today"},
    }


def badge_document(badge: CredlyBadge, account: Sequence[str] = ()) -> dict[str, Any]:
    """A badge as Credly shows it; the `account` is the addresses of the person, empty if they have none."""
    expires = _shown_time(badge.expires_at) if badge.expires_at else None
    return {
        "id": badge.id,
        "state": badge.state,
        "issued_at": _shown_time(badge.issued_at),
        "issued_at_date": _shown_time(badge.issued_at)[:10],
        "expires_at": expires,
        "expires_at_date": expires and expires[:10],
        "recipient_email": badge.email,
        "issued_to": f"{badge.first_name} {badge.last_name}",
        "issued_to_first_name": badge.first_name,
        "issued_to_last_name": badge.last_name,
        "issuer_earner_id": badge.earner or None,
        "evidence": list(badge.evidence),
        "revocation_reason": badge.revocation_reason,
        "replaces_badge_id": badge.replaces,
        "replacement_badge_id": badge.replaced_by,
        "badge_template": {"id": badge.template, "name": f"Template {badge.template[:8]}"},
        "user": {"id": f"user of {account[0]}", "email": account[0]} if account else None,
        ADDED: {"since": "today"},
    }


def filters(query: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A list's filters: `name::value,value|name::value`."""
    pairs = (part.split("::", 1) for text in query.get("filter", ()) for part in text.split("|"))
    return {pair[0]: pair[1].split(",") for pair in pairs if len(pair) == 2}


def check_issue(wanted: Mapping[str, Any]) -> None:
    """Raise `RefusalError` unless the document can be issued."""
    required = ("recipient_email", "issued_to_first_name", "issued_to_last_name", "issued_at")
    for name in required:
        if not wanted.get(name):
            words = name.replace("_", " ").capitalize()
            raise unprocessable(f"Validation failed: {words} can't be blank")
    email = wanted["recipient_email"]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise unprocessable(f"Validation failed: Recipient email {email} is invalid")
    check_times(wanted)
    check_evidence(wanted)


def check_evidence(wanted: Mapping[str, Any]) -> None:
    """Raise `RefusalError` unless each piece of evidence is of a documented kind, and has its texts."""
    needs = {"UrlEvidence": ("name", "value"), "IdEvidence": ("title", "description")}
    for piece in wanted.get("evidence") or ():
        if not all(piece.get(name) for name in needs.get(piece.get("type"), ("",))):
            raise unprocessable("Validation failed: Evidence is invalid")


def check_times(wanted: Mapping[str, Any]) -> None:
    """Raise `RefusalError` unless `issued_at` is a time, and `expires_at` if it is neither null nor false."""
    if _time(wanted.get("issued_at")) is None:
        raise unprocessable("Validation failed: Issued at is not a date")
    if wanted.get("expires_at") and _time(wanted["expires_at"]) is None:
        raise unprocessable("Validation failed: Expires at is not a date")


def _time(value: object) -> datetime | None:
    """A time in one of the forms that Credly takes: as in its documentation, or of ISO 8601."""
    for read in (datetime.fromisoformat, lambda text: datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z")):
        try:
            time = read(str(value))
        except ValueError:
            continue
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None


def _shown_time(value: str) -> str:
    """A time as Credly shows it, in another form than it is sent."""
    time = _time(value)
    assert time is not None
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
