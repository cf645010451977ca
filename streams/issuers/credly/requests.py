"""Requests to Credly's web service, version 1.

What it leaves in doubt, and what the relay does then, is decision 0004.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from streams.issuers.http import Request
from streams.issuers.issuer import Award, Wanted
from streams.issuers.outcomes import Recipient
from streams.issuers.words import visible

BASES: Mapping[str, str] = {
    "production": "https://api.credly.com",
    "sandbox": "https://sandbox-api.credly.com",
}
SITES: Mapping[str, str] = {
    "production": "https://www.credly.com",
    "sandbox": "https://sandbox.credly.com",
}
"""Which grant tokens, and show badges: Credly does neither at its API's own hosts."""
BADGE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCOPE = "issued_badges badge_templates authorization_tokens events"
"""What is asked for: to issue and to find, to see templates, to know when keys expire and what happens."""
HELD: Final = ("pending", "accepted")
REVOCATION_REASON = "The requirements of the badge are no longer met."
"""Credly refuses a revocation without a reason; it is shown to the earner."""


def base_url(environment: str, url: str | None = None) -> str:
    """Where an organization's calls go: its own `url`, or what its environment stands for."""
    return (url or BASES[environment]).rstrip("/").removesuffix("/v1")


def grant_url(environment: str, url: str | None = None) -> str:
    """Where tokens are granted."""
    return base_url(environment, url) if url else SITES[environment]


def page(environment: str, url: str | None, badge: str) -> str:
    """Where Credly shows a badge; a simulator or proxy shows none."""
    return f"{SITES[environment]}/badges/{badge}" if not url and BADGE.fullmatch(badge) else ""


def authorization(key: str) -> str:
    """Basic authentication: the key is the user name, the password is empty."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii")


def issue(organization: str, award: Award) -> Request:
    """Issue a badge."""
    email = award.recipient.email.strip()
    first, last = names(award.recipient)
    body: dict[str, Any] = {
        "recipient_email": email,
        "issued_to_first_name": first,
        "issued_to_last_name": last,
        "badge_template_id": award.wanted.template,
        "issued_at": timestamp(award.cause.time),
        "issuer_earner_id": award.wanted.earner,
        "suppress_badge_notification_email": not award.notify,
    }
    if award.expires_at is not None:
        body["expires_at"] = timestamp(award.expires_at) if award.expires_at else False
    if award.evidence:
        body["evidence"] = _evidence(award)
    return Request("POST", _path(organization, "badges"), orjson.dumps(body), (email,))


def replacement(organization: str, award: Award) -> Request:
    """Replace a badge by one of the same template that was earned later."""
    email = award.recipient.email.strip()
    first, last = names(award.recipient)
    body: dict[str, Any] = {
        "badge_template_id": award.wanted.template,
        "issued_at": timestamp(award.cause.time),
        "issued_to_first_name": first,
        "issued_to_last_name": last,
        "issuer_earner_id": award.wanted.earner,
    }
    if award.expires_at is not None:
        body["expires_at"] = timestamp(award.expires_at) if award.expires_at else False
    if award.evidence:
        body["evidence"] = _evidence(award)
    path = _path(organization, "badges", award.wanted.badge, "replace")
    return Request("POST", path, orjson.dumps(body), (email,))


def revoke(organization: str, badge: str, *, notify: bool, reason: str = "") -> Request:
    """Revoke a badge by Credly's own id."""
    body = {"reason": reason.strip() or REVOCATION_REASON, "suppress_revoke_notification_email": not notify}
    return Request("PUT", _path(organization, "badges", badge, "revoke"), orjson.dumps(body))


def badge(organization: str, badge: str) -> Request:
    """Ask for one badge in whatever state."""
    return Request("GET", _path(organization, "badges", badge))


def erase(organization: str, badge: str) -> Request:
    """Have Credly delete a badge for good; Credly wants this done for the sake of privacy only."""
    return Request("DELETE", _path(organization, "badges", badge))


def look_up_earner(organization: str, wanted: Wanted, page: int = 1) -> Request:
    """Ask for the badges of the template that are held by this earner."""
    return _look_up(organization, wanted, _by_earner(wanted), _HELD, page)


def look_up_email(organization: str, wanted: Wanted, page: int = 1) -> Request:
    """Ask for those held by the account that has this e-mail address, among others perhaps."""
    email = address(wanted)
    return _look_up(organization, wanted, f"recipient_email_all::{email}", _HELD, page, (email,))


def address(wanted: Wanted) -> str:
    """The newest address that a filter can hold: Credly's grammar has no escape for its own signs."""
    known = (email.strip() for email in wanted.addresses)
    return next((email for email in known if email and not any(sign in email for sign in "|,")), "")


def trace(organization: str, wanted: Wanted, page: int = 1) -> Request:
    """Ask for the badges of the template and earner in every state."""
    return _look_up(organization, wanted, _by_earner(wanted), "", page)


def template(organization: str, template: str) -> Request:
    """Ask for a badge template."""
    return Request("GET", _path(organization, "badge_templates", template))


def templates(organization: str, page: int) -> Request:
    """Ask for a page of the badge templates."""
    return Request("GET", f"{_path(organization, 'badge_templates')}?sort=name&page={page}")


def listing(organization: str, template: str, page: int) -> Request:
    """Ask for a page of the issued badges of a template in every state."""
    query = f"filter={quote(f'badge_template_id::{template}', safe='')}&sort=created_at&page={page}"
    return Request("GET", f"{_path(organization, 'badges')}?{query}")


def organization(organization: str) -> Request:
    """Ask for the organization: nothing in it is a learner's."""
    return Request("GET", _path(organization))


def events(organization: str, page: int) -> Request:
    """Ask for a page of what happened at the organization."""
    return Request("GET", f"{_path(organization, 'events')}?page={page}")


def event(organization: str, event: str) -> Request:
    """Ask for one event, with what it is about."""
    return Request("GET", _path(organization, "events", event))


def tokens(organization: str) -> Request:
    """Ask when the organization's keys expire."""
    return Request("GET", _path(organization, "authorization_tokens"))


def rotation(organization: str) -> Request:
    """Have the key that asks replaced by a new one."""
    return Request("POST", _path(organization, "authorization_tokens", "rotate"), b"{}")


def names(recipient: Recipient) -> tuple[str, str]:
    """First and last name out of one full name: the first word and the rest.

    Credly wants and shows both: a single name is both, the username stands in for no name at all.
    """
    words = [word for word in visible(recipient.name).split() if visible(word)]
    username = " ".join(visible(recipient.username).split())
    first = words[0] if words else username
    last = " ".join(words[1:]) or first
    return first, last


def timestamp(time: datetime) -> str:
    """A time as Credly takes it."""
    return time.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", " +0000")


def _evidence(award: Award) -> list[dict[str, str]]:
    return [
        {"type": "IdEvidence", "title": one.name, "description": one.description} for one in award.evidence
    ]


_HELD = f"|state::{','.join(HELD)}"


def _by_earner(wanted: Wanted) -> str:
    return f"issuer_earner_id::{wanted.earner}"


def _look_up(
    organization: str, wanted: Wanted, by: str, states: str, page: int, hidden: tuple[str, ...] = ()
) -> Request:
    asked = quote(f"{by}|badge_template_id::{wanted.template}{states}", safe="")
    more = f"&page={page}" if page > 1 else ""
    return Request("GET", f"{_path(organization, 'badges')}?filter={asked}{more}", hidden=hidden)


def _path(organization: str, *parts: str) -> str:
    return "/".join(("/v1/organizations", *(quote(part, safe="") for part in (organization, *parts))))
