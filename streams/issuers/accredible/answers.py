"""What Accredible's answers mean, each to its call; None where they mean what they do with every issuer.

Its errors have four forms, and one is plain text: `errors` is a text or an object of lists, `error` a text,
`data` a text with `success: false`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from streams.issuers.accredible.requests import today
from streams.issuers.http import Answer
from streams.issuers.issuer import Wanted
from streams.issuers.outcomes import (
    AlreadyIssued,
    Deferred,
    Erased,
    EraseOutcome,
    Found,
    Issued,
    IssuedBadge,
    IssueOutcome,
    IssuerTemplate,
    KeyOutcome,
    KeyWorks,
    Missing,
    Page,
    Proof,
    Revoked,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplateUnavailable,
    Unsaid,
    Unsupported,
    Withheld,
)
from streams.issuers.words import document, identifier, mapping, number, text

HELD = "published"
EXPIRED = "expired"
UNPUBLISHED = "unpublished"
WITHHELD = "it was made, but is not published: no credits are left, or the account is in sandbox mode"

_DUPLICATE = re.compile(r"\bhas already been taken\b|\bdo not allow duplicates\b", re.I)
_NO_GROUP = re.compile(r"\binvalid group\b|\bgroup does(n't| not) exist\b", re.I)


def issued(answer: Answer) -> IssueOutcome | None:
    """What became of a credential that was to be created or renewed."""
    said = answer.said
    if answer.status in (200, 201):
        credential = mapping(document(answer.body).get("credential"))
        if not (badge := identifier(credential.get("id"))):
            return Deferred(f"{answer.status} without a credential's id", ambiguous=True)
        return Withheld(badge, WITHHELD) if credential.get("approve") is False else Issued(badge, HELD)
    if answer.status in (404, 422) and _NO_GROUP.search(said):
        return TemplateUnavailable(answer.why)
    if answer.status == 404:
        # Of what was found a moment ago.
        return Deferred(answer.why, ambiguous=False)
    return AlreadyIssued(answer.why) if answer.status == 422 and _DUPLICATE.search(said) else None


def renewed(answer: Answer) -> IssueOutcome | Unsaid | None:
    """What became of a credential that was to be renewed."""
    said = mapping(document(answer.body).get("credential"))
    if answer.status in (200, 201, 204) and not identifier(said.get("id")):
        return Unsaid()
    return issued(answer)


def published(shown: Found, *, ends: bool) -> IssueOutcome:
    """What a renewed credential that was asked for shows; one that `ends` may have done so before today."""
    if shown.state == UNPUBLISHED:
        return Withheld(shown.badge, WITHHELD)
    if shown.state == HELD or ends:
        return Issued(shown.badge, HELD)
    return Deferred("a renewed credential shows as expired", ambiguous=True)


def expired(answer: Answer) -> RevokeOutcome | Missing | Unsaid | None:
    """What became of a revocation."""
    if answer.status == 404:
        return _missing(answer)
    if answer.status not in (200, 201, 204):
        return None
    credential = mapping(document(answer.body).get("credential"))
    if not identifier(credential.get("id")):
        return Unsaid()
    if _state(credential, today(answer.at)) == HELD:
        return Deferred(f"{answer.status} without an expired credential", ambiguous=True)
    return Revoked()


def erased(answer: Answer) -> EraseOutcome | Missing | None:
    """What became of a deletion."""
    if answer.status in (200, 202, 204):
        return Erased()
    return _missing(answer) if answer.status == 404 else None


def shown(answer: Answer, badge: str) -> Found | Missing | Deferred | None:
    """The state of a credential that was asked for by its id."""
    if answer.status == 404:
        return _missing(answer)
    if answer.status != 200:
        return None
    credential = mapping(document(answer.body).get("credential"))
    if identifier(credential.get("id")) != badge:
        return Deferred("200 without what was asked for", ambiguous=False)
    return Found(badge, _state(credential, today(answer.at)))


def group(answer: Answer) -> TemplateOutcome | None:
    """Whether credentials of a group can be created."""
    if answer.status == 404:
        found = _missing(answer)
        return TemplateUnavailable(found.why) if isinstance(found, Missing) else found
    if answer.status != 200:
        return None
    group = mapping(document(answer.body).get("group"))
    if not group:
        return Deferred("200 without a group", ambiguous=False)
    # If Accredible does not say, the dangerous case is assumed.
    return TemplateActive(allows_duplicates=group.get("allow_duplicate_credentials") is not False)


def groups(answer: Answer, page: int) -> Page[IssuerTemplate] | Deferred | None:
    """A page of groups. Their pictures are designs', each of which would have to be asked for."""
    if answer.status != 200:
        return None
    body = document(answer.body)
    items = body.get("groups")
    if not isinstance(items, list):
        return Deferred("200 without a list of groups", ambiguous=False)
    following = number(mapping(body.get("meta")).get("next_page"))
    if following is not None and following <= page:
        return Deferred(f"page {page} of a list does not lead on", ambiguous=False)
    return Page(tuple(_groups(items)), following)


def listed(answer: Answer) -> Page[IssuedBadge] | Deferred | None:
    """A page of credentials, with the cursor of the next; the page after the last is empty."""
    if answer.status != 200:
        return None
    body = document(answer.body)
    credentials = body.get("credentials")
    if not isinstance(credentials, list):
        return Deferred("200 without a list of credentials", ambiguous=False)
    cursor = text(mapping(body.get("meta")).get("cursor")) if credentials else ""
    return Page(tuple(_badges(credentials, today(answer.at))), None, cursor)


def key_works(answer: Answer) -> KeyOutcome | None:
    """Whether the key may see its account; a department's may be good for everything but that."""
    if answer.status in (403, 404):
        return Unsupported(answer.why)
    return KeyWorks() if answer.status == 200 else None


def proof(badge: IssuedBadge, wanted: Wanted) -> Proof | None:
    """What shows that a credential is the learner's; None if nothing does."""
    if badge.template not in ("", wanted.template) or badge.earner not in ("", *wanted.earners):
        return None
    if wanted.unique and badge.earner == wanted.earner:
        return "site"
    if badge.addresses.isdisjoint(email.strip().casefold() for email in wanted.addresses):
        return None
    # Our own id says as much: another site that has the same templates may give the same one.
    named = badge.earner == wanted.earner or (badge.own and badge.own == wanted.own)
    return "earner" if named else "address"


def _missing(answer: Answer) -> Missing | Deferred:
    """Whether Accredible itself says so: a proxy in front, or a page of another site, knows nothing of it."""
    said = document(answer.body)
    if any(text(said.get(name)) for name in ("errors", "error", "data")):
        return Missing(answer.why)
    return Deferred(answer.why, ambiguous=True)


def _badges(items: Sequence[Any], day: date) -> Iterator[IssuedBadge]:
    for item in items:
        credential = mapping(item)
        # As a search names them, or as a credential does that is asked for by its id.
        recipient, group = mapping(credential.get("recipient")), mapping(credential.get("group"))
        email = _either(credential.get("recipient_email"), recipient.get("email")).strip().casefold()
        if id := identifier(credential.get("id")):
            yield IssuedBadge(
                id,
                _state(credential, day),
                _either(group.get("id"), credential.get("group_id")),
                _either(credential.get("recipient_id"), recipient.get("id")),
                frozenset({email} if email else ()),
                text(credential.get("issued_on")),
                text(credential.get("license_id")),
            )


def _groups(items: Sequence[Any]) -> Iterator[IssuerTemplate]:
    for group in map(mapping, items):
        if id := identifier(group.get("id")):
            name = text(group.get("course_name")) or text(group.get("name"))
            yield IssuerTemplate(id, name, text(group.get("course_description")), "", active=True)


def _state(credential: Mapping[str, Any], day: date) -> str:
    if credential.get("approve") is False:
        return UNPUBLISHED
    expires = _day(credential.get("expired_on"))
    return EXPIRED if expires and expires <= day else HELD


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(text(value)[:10])
    except ValueError:
        return None


def _either(value: object, other: object) -> str:
    return text(value) or text(other)
