"""The JSON in which Credly speaks: its answers, the filters of a list, what an issue must hold."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from streams.sandbox.credly.books import CredlyBadge, CredlyTemplate
from streams.sandbox.credly.calls import Reply, unprocessable

PAGE = 50
"""Badges on a page of a list, as at Credly."""


def one(data: Mapping[str, Any], status: int = 200) -> Reply:
    """The answer that holds one document."""
    return Reply(status, orjson.dumps({"data": data, "metadata": {}}))


def page(badges: Sequence[CredlyBadge], number: int) -> Reply:
    """The answer with a page of a list; pages count from 1."""
    pages = max(1, -(-len(badges) // PAGE))
    shown = badges[(number - 1) * PAGE : number * PAGE]
    metadata = {
        "count": len(shown),
        "current_page": number,
        "total_count": len(badges),
        "total_pages": pages,
        "per": PAGE,
        "next_page_url": f"https://sandbox/?page={number + 1}" if number < pages else None,
    }
    data = [badge_document(badge) for badge in shown]
    return Reply(200, orjson.dumps({"data": data, "metadata": metadata}))


def template_document(template: CredlyTemplate) -> dict[str, Any]:
    """A template as Credly shows it."""
    return {
        "id": template.id,
        "state": template.state,
        "allow_duplicate_badges": template.allow_duplicate_badges,
        "name": f"Template {template.id[:8]}",
        "owner": {"id": template.organization},
    }


def badge_document(badge: CredlyBadge) -> dict[str, Any]:
    """A badge as Credly shows it."""
    return {
        "id": badge.id,
        "state": badge.state,
        "issued_at": badge.issued_at,
        "expires_at": badge.expires_at or None,
        "recipient_email": badge.email,
        "issued_to": f"{badge.first_name} {badge.last_name}",
        "issued_to_first_name": badge.first_name,
        "issued_to_last_name": badge.last_name,
        "issuer_earner_id": badge.earner or None,
        "revocation_reason": badge.revocation_reason,
        "badge_template": {"id": badge.template, "name": f"Template {badge.template[:8]}"},
        "user": {"email": badge.email},
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
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", wanted["issued_at"]):
        raise unprocessable("Validation failed: Issued at is not a date")
