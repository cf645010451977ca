"""Requests to Accredible's web service (its OpenAPI document, version 25.08).

A template is a group, a badge is a credential. It is created with our id as its own reference, by which a
search finds it (`license_id`), and with the earner's id as the recipient's. All times are dates.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import orjson

from streams.issuers.http import Request
from streams.issuers.issuer import Award, Cause, Wanted
from streams.issuers.outcomes import Recipient
from streams.issuers.words import visible

BASES: Mapping[str, str] = {
    "us": "https://api.accredible.com",
    "eu": "https://eu.api.accredible.com",
    "sandbox": "https://sandbox.api.accredible.com",
}
SCHEMES = ("Token ", "Bearer ")
"""How clients of Accredible's begin the header: its Moodle plugin, and the service of Open edX."""
PAGE = 50
"""Credentials of a page, as Accredible has it by default."""
LOOK_UP_PAGES = 20
"""A search is about one learner; if it has more full pages than this, the filter was ignored."""


def base_url(region: str, url: str | None = None) -> str:
    """Where an organization's calls go: its own `url`, or its region's."""
    return (url or BASES[region]).rstrip("/").removesuffix("/v1")


def authorization(key: str) -> str:
    """The key as Accredible documents it, or in the form that it is given in."""
    return key if key.startswith(SCHEMES) else f"Token token={key}"


def create(award: Award) -> Request:
    """Create a credential, and publish it."""
    credential = _credential(award) | {"group_id": int(award.wanted.template), "id": award.wanted.own}
    return _request("POST", "/v1/credentials", {"credential": credential}, award.recipient.email)


def renew(award: Award, badge: str) -> Request:
    """Publish a credential that is there, and have it last as a new one would."""
    credential = {"expired_on": None} | _credential(award)
    return _request("PUT", _credentials(badge), {"credential": credential}, award.recipient.email)


def expire(badge: str, cause: Cause) -> Request:
    """Have a credential expire on the day of the decision: Accredible knows no revocation."""
    return _request("PUT", _credentials(badge), {"credential": {"expired_on": day(cause.time)}})


def erase(badge: str) -> Request:
    """Delete a credential."""
    return Request("DELETE", _credentials(badge))


def credential(badge: str) -> Request:
    """Ask for one credential."""
    return Request("GET", _credentials(badge))


def search_own(wanted: Wanted, cursor: str = "") -> Request:
    """Ask for a page of the credentials of the group that have our id."""
    return _search({"license_id": wanted.own, "group.id": wanted.template}, cursor)


def search_address(wanted: Wanted, cursor: str = "") -> Request:
    """Ask for a page of the credentials of the group that any of the learner's addresses has."""
    known = [address.strip() for address in wanted.addresses if address.strip()]
    # Addresses are the same in any case, and may be kept in small letters.
    addresses = [*dict.fromkeys(form for address in known for form in (address, address.lower()))]
    by = {"recipient_email": addresses[0]} if len(addresses) == 1 else {"recipient_email[in]": addresses}
    return _search(by | {"group.id": wanted.template}, cursor, tuple(addresses))


def listing(template: str, cursor: str) -> Request:
    """Ask for a page of the credentials of a group; the first without a `cursor`."""
    return _search({"group.id": template}, cursor)


def group(template: str) -> Request:
    """Ask for a group."""
    return Request("GET", f"/v1/issuer/groups/{quote(template, safe='')}")


def groups(page: int) -> Request:
    """Ask for a page of the groups."""
    return _request("POST", "/v1/issuer/groups/search", {"page_size": PAGE, "page": page})


def account() -> Request:
    """Ask for the account: nothing in it is a learner's."""
    return Request("GET", "/v1/issuer/details")


def name(recipient: Recipient) -> str:
    """The learner's name; the username stands in for none."""
    return " ".join((visible(recipient.name) or visible(recipient.username)).split())


def day(time: datetime) -> str:
    """The day of a time as Accredible takes it."""
    return time.astimezone(UTC).date().isoformat()


def today(time: datetime) -> date:
    """The day by which `expired_on` is judged."""
    return time.astimezone(UTC).date()


def _credential(award: Award) -> dict[str, Any]:
    email = award.recipient.email.strip()
    recipient = {"name": name(award.recipient), "email": email, "id": award.wanted.earner}
    value = {"recipient": recipient, "issued_on": day(award.cause.time), "approve": True}
    if award.expires_at is not None:
        value["expired_on"] = day(award.expires_at) if award.expires_at else None
    return value


def _search(query: Mapping[str, Any], cursor: str = "", hidden: tuple[str, ...] = ()) -> Request:
    page: dict[str, Any] = {"size": PAGE} | ({"cursor": cursor} if cursor else {})
    return _request("POST", "/v2/credentials/search", {"query": query, "page": page}, *hidden)


def _request(method: str, path: str, body: Mapping[str, Any], *hidden: str) -> Request:
    return Request(method, path, orjson.dumps(body), hidden)


def _credentials(badge: str) -> str:
    return f"/v1/credentials/{quote(badge, safe='')}"
