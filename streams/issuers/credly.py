"""Credly's web service without any network: requests out of values, outcomes out of answers.

Nothing that leaves this module as a text holds an e-mail address or a key. Credly's words are quoted from
the answer, redacted and cut.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, Literal
from urllib.parse import quote

import orjson

from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    Deferred,
    Erased,
    EraseOutcome,
    Found,
    Issued,
    IssuedBadge,
    IssueOutcome,
    KeyExpiry,
    KeyRefused,
    LookUpOutcome,
    Page,
    Recipient,
    Refused,
    Revoked,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplateUnavailable,
    Throttled,
    Trouble,
)

BASES: Mapping[str, str] = {
    "production": "https://api.credly.com",
    "sandbox": "https://sandbox-api.credly.com",
}

REVOCATION_REASON = "The requirements of the badge are no longer met."
HELD = ("pending", "accepted")
WORDS = 300
SCANNED = 8_192
LONGEST_WAIT = 3_600.0
LONGEST_ID = 200
LOOK_UP_PAGES = 20
"""A look-up names one learner: with more pages than these Credly has not filtered."""
UNSENT = frozenset({407, 421, 425, 429})
"""Statuses below 500 that pass by themselves; Credly has done nothing."""


_EMAIL = re.compile(
    r"[^\s\"'<>,;:()\[\]{}=|/?&\\]{1,128}(?:@|%40|\\u0040|&#64;)[^\s\"'<>,;:()\[\]{}=|/?&\\]*", re.I
)
_CREDENTIAL = re.compile(r"\b(basic|bearer|token)\b[\s:=]+[\w+/=.~-]{8,}", re.I)
_SECONDS = re.compile(r"\d{1,300}(\.\d{1,300})?", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.I | re.S)
_ALREADY_ISSUED = re.compile(
    r"already (has|have|holds|owns|earned|received|issued|awarded|been (issued|awarded|taken|earned))\b", re.I
)
_NOT_HELD = re.compile(r"\b(already|been|is|was) (revoked|rejected)\b", re.I)
_ARCHIVED = re.compile(r"\barchived\b|\bdraft\b.*\btemplate|\btemplate\b.*\bdraft\b", re.I | re.S)


def base_url(environment: str, url: str | None = None) -> str:
    """Where an organization's calls go: its own `url`, or what its environment stands for."""
    return (url or BASES[environment]).rstrip("/").removesuffix("/v1")


def authorization(key: str) -> str:
    """Basic authentication: the key is the user name, the password is empty."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii")


def issue(
    organization: str,
    template: str,
    learner: int,
    recipient: Recipient,
    time: datetime,
    *,
    expires_at: datetime | Literal[False] | None,
    notify: bool,
) -> Request:
    """Issue a badge that was earned at `time`; the recipient must have an e-mail address and some name.

    `expires_at`: None for as the template says at Credly, False for never.
    """
    first, last = names(recipient)
    body: dict[str, Any] = {
        "recipient_email": recipient.email.strip(),
        "issued_to_first_name": first,
        "issued_to_last_name": last,
        "badge_template_id": template,
        "issued_at": timestamp(time),
        "issuer_earner_id": str(learner),
        "suppress_badge_notification_email": not notify,
    }
    if expires_at is not None:
        body["expires_at"] = timestamp(expires_at) if expires_at else False
    return Request(
        "issue",
        "POST",
        f"/v1/organizations/{_part(organization)}/badges",
        orjson.dumps(body),
        (recipient.email.strip(),),
    )


def revoke(organization: str, badge: str, *, notify: bool) -> Request:
    """Revoke a badge by Credly's own id."""
    body = {"reason": REVOCATION_REASON, "suppress_revoke_notification_email": not notify}
    path = f"/v1/organizations/{_part(organization)}/badges/{_part(badge)}/revoke"
    return Request("revoke", "PUT", path, orjson.dumps(body))


def erase(organization: str, badge: str) -> Request:
    """Have Credly delete a badge for good; Credly wants this done for the sake of privacy only."""
    return Request("erase", "DELETE", f"/v1/organizations/{_part(organization)}/badges/{_part(badge)}")


def look_up_earner(
    organization: str, template: str, learner: int, states: Sequence[str] = HELD, page: int = 1
) -> Request:
    """Ask for the badge of the template that was issued to this earner; in any state if none is given."""
    return _look_up(organization, template, "issuer_earner_id", str(learner), states, page)


def look_up_email(organization: str, template: str, email: str, page: int = 1) -> Request | None:
    """Ask for it by any e-mail of the earner's account; None where the address cannot be asked for."""
    email = email.strip()
    if not email or any(c in email for c in "|,"):
        return None
    return _look_up(organization, template, "recipient_email_all", email, HELD, page, hidden=(email,))


def template(organization: str, template: str) -> Request:
    """Ask for a badge template."""
    path = f"/v1/organizations/{_part(organization)}/badge_templates/{_part(template)}"
    return Request("template", "GET", path)


def issued_badges(organization: str, templates: Iterable[str] = (), page: int = 1) -> Request:
    """Ask for a page of the organization's issued badges in every state."""
    wanted = ",".join(templates)
    query = f"filter={quote(f'badge_template_id::{wanted}', safe='')}&" if wanted else ""
    path = f"/v1/organizations/{_part(organization)}/badges?{query}sort=created_at&page={page}"
    return Request("list", "GET", path, page=page)


def tokens(organization: str) -> Request:
    """Ask when the organization's keys expire."""
    return Request("tokens", "GET", f"/v1/organizations/{_part(organization)}/authorization_tokens")


def read_issue(request: Request, answer: Answer | NoAnswer, now: datetime, key: str = "") -> IssueOutcome:
    """What became of `issue`. `now` is what dates in `Retry-After` are held against."""
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    data = _mapping(_json(answer.body).get("data"))
    if answer.status in (200, 201):
        badge = _identifier(data.get("id"))
        if badge:
            return Issued(badge, _word(data.get("state")) or "pending")
        return Deferred(f"{answer.status} without a badge's id", ambiguous=True)
    said = _words(request, answer, key)
    if answer.status == 404:
        return TemplateUnavailable(f"404: {said}")
    if answer.status == 422 and _ALREADY_ISSUED.search(said):
        return AlreadyIssued(f"422: {said}")
    if answer.status == 422 and _ARCHIVED.search(said):
        return TemplateUnavailable(f"422: {said}")
    return _trouble(answer, said, now)


def read_revoke(request: Request, answer: Answer | NoAnswer, now: datetime, key: str = "") -> RevokeOutcome:
    """What became of `revoke`; what Credly does not know, or nobody holds, need not be revoked."""
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    if answer.status in (204, 404):
        return Revoked()
    if answer.status in (200, 201):
        return _read_revoked(answer)
    said = _words(request, answer, key)
    if answer.status == 422 and _NOT_HELD.search(said):
        return Revoked()
    return _trouble(answer, said, now)


def read_erase(request: Request, answer: Answer | NoAnswer, now: datetime, key: str = "") -> EraseOutcome:
    """What became of `erase`. A key that may not delete is still good for its other uses."""
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    if answer.status in (200, 201, 202, 204, 404):
        return Erased()
    said = _words(request, answer, key)
    return Refused(f"403: {said}") if answer.status == 403 else _trouble(answer, said, now)


def read_look_up(
    request: Request,
    answer: Answer | NoAnswer,
    now: datetime,
    key: str = "",
    *,
    template: str,
    learner: int,
    states: Sequence[str] = HELD,
    before: Sequence[IssuedBadge] = (),
) -> LookUpOutcome | Page:
    """What a look-up found; a `Page` where the next one must be asked for, with its badges as `before`.

    A badge that belongs to another earner or template is never taken for it.
    """
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    if answer.status == 200:
        page = _read_list(request, answer)
        if isinstance(page, Deferred):
            return page
        candidates = [badge for badge in page.badges if _may_be(badge, template, str(learner), states)]
        return _found(request, [*before, *candidates], str(learner), page.next)
    said = _words(request, answer, key)
    if answer.status == 404:
        return TemplateUnavailable(f"404: {said}")
    return _trouble(answer, said, now)


def read_template(
    request: Request, answer: Answer | NoAnswer, now: datetime, key: str = ""
) -> TemplateOutcome:
    """Whether badges of a template can be issued."""
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    if answer.status == 200:
        data = _mapping(_json(answer.body).get("data"))
        state = _text(data.get("state"))
        if not data:
            return Deferred("200 without a template", ambiguous=False)
        if state and state != "active":
            return TemplateUnavailable(f"the template is {_redacted(state, (key,))}")
        return TemplateActive(allows_duplicates=data.get("allow_duplicate_badges") is not False)
    said = _words(request, answer, key)
    if answer.status == 404:
        return TemplateUnavailable(f"404: {said}")
    return _trouble(answer, said, now)


def read_page(request: Request, answer: Answer | NoAnswer, now: datetime, key: str = "") -> Page | Trouble:
    """One page of issued badges."""
    if isinstance(answer, NoAnswer):
        return _unanswered(answer)
    if answer.status != 200:
        return _trouble(answer, _words(request, answer, key), now)
    return _read_list(request, answer)


def read_tokens(answer: Answer | NoAnswer, key: str) -> KeyExpiry:
    """When `key` expires. A key that may not ask for this says nothing about its other uses."""
    if isinstance(answer, NoAnswer) or answer.status != 200:
        return KeyExpiry(None)
    listed = _json(answer.body).get("data")
    described = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    own = [item for item in described if key and key in (item.get("token"), item.get("id"))]
    chosen = own or (described if len(described) == 1 else [])
    return KeyExpiry(_time(_text(chosen[0].get("expires_at"))) if chosen else None)


def names(recipient: Recipient) -> tuple[str, str]:
    """First and last name out of one full name: the first word and the rest; the username stands in."""
    words = [word for word in _visible(recipient.name).split() if _visible(word)]
    username = " ".join(_visible(recipient.username).split())
    first = words[0] if words else username
    last = " ".join(words[1:]) or username or first
    return first, last


def lacks(recipient: Recipient | None) -> str:
    """What of a learner is missing so that nothing can be issued; empty where nothing is."""
    if recipient is None or not recipient.email.strip():
        return "the learner's e-mail address is not known"
    if not names(recipient)[0]:
        return "the learner's name is not known"
    return ""


def timestamp(time: datetime) -> str:
    """A time as Credly takes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def _look_up(
    organization: str,
    template: str,
    by: str,
    value: str,
    states: Sequence[str],
    page: int,
    hidden: tuple[str, ...] = (),
) -> Request:
    wanted = f"{by}::{value}|badge_template_id::{template}"
    if states:
        wanted += f"|state::{','.join(states)}"
    path = f"/v1/organizations/{_part(organization)}/badges?filter={quote(wanted, safe='')}"
    path += f"&page={page}" if page > 1 else ""
    return Request("look_up", "GET", path, hidden=hidden, page=page)


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


def _unanswered(answer: NoAnswer) -> Deferred:
    return Deferred(answer.why, ambiguous=answer.sent)


def _trouble(answer: Answer, said: str, now: datetime) -> Trouble:
    status, why = answer.status, f"{answer.status}: {said}"
    if status in (401, 403):
        return KeyRefused(why)
    if status == 429:
        return Throttled(why, _retry_after(answer, now))
    if 200 <= status < 300 or status >= 500 or status == 408:
        return Deferred(why, ambiguous=True, wait=_retry_after(answer, now))
    if status < 400 or status in UNSENT:
        return Deferred(why, ambiguous=False, wait=_retry_after(answer, now))
    return Refused(why)


def _retry_after(answer: Answer, now: datetime) -> float | None:
    value = next((v for k, v in answer.headers.items() if k.lower() == "retry-after"), "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)


def _read_revoked(answer: Answer) -> RevokeOutcome:
    if not answer.body.strip():
        return Revoked()
    data = _json(answer.body).get("data")
    if not isinstance(data, dict) or _word(data.get("state")) in HELD:
        # Of a page in between, not of Credly; or Credly holds it still.
        return Deferred(f"{answer.status} without a revoked badge", ambiguous=True)
    return Revoked()


def _read_list(request: Request, answer: Answer) -> Page | Deferred:
    document = _json(answer.body)
    listed = document.get("data")
    if not isinstance(listed, list):
        return Deferred("200 without a list of badges", ambiguous=False)
    following = _next_page(_mapping(document.get("metadata")), request.page)
    if following is not None and following <= request.page:
        return Deferred(f"page {request.page} of a list does not lead on", ambiguous=False)
    return Page(tuple(_badges(listed)), following)


def _may_be(badge: IssuedBadge, template: str, earner: str, states: Sequence[str]) -> bool:
    held = not states or badge.state in states
    return held and badge.template in ("", template) and badge.earner in ("", earner)


def _found(
    request: Request, candidates: Sequence[IssuedBadge], earner: str, following: int | None
) -> Found | Absent | Page | Refused:
    email = request.hidden[0].casefold() if request.hidden else None
    if email is None:
        chosen = [badge for badge in candidates if badge.earner == earner]
    else:
        chosen = [badge for badge in candidates if badge.email.casefold() == email]
        # Credly looks through all addresses of an account, so one badge of another address is the one.
        chosen = chosen or (list(candidates) if len(candidates) == 1 and following is None else [])
    if chosen:
        return Found(chosen[0].id, chosen[0].state)
    if following is None:
        return Absent()
    if request.page >= LOOK_UP_PAGES:
        return Refused(f"a look-up lists more than {LOOK_UP_PAGES} pages")
    return Page(tuple(candidates), following)


def _badges(listed: list[Any]) -> Iterator[IssuedBadge]:
    for item in listed:
        badge = _mapping(item)
        if identifier := _identifier(badge.get("id")):
            yield IssuedBadge(
                identifier,
                _word(badge.get("state")),
                _text(_mapping(badge.get("badge_template")).get("id")),
                _text(badge.get("issuer_earner_id")),
                _text(badge.get("recipient_email")),
                _text(badge.get("issued_at")),
            )


def _next_page(metadata: Mapping[str, Any], page: int) -> int | None:
    current, total = metadata.get("current_page"), metadata.get("total_pages")
    if isinstance(current, int) and isinstance(total, int):
        return current + 1 if current < total else None
    url = _text(metadata.get("next_page_url"))
    match = re.search(r"[?&]page=(\d{1,9})(?:[&#]|$)", url)
    if match:
        return int(match[1])
    return page + 1 if url else None


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _identifier(value: object) -> str:
    text = _text(value)
    return text if len(text) <= LONGEST_ID else ""


def _word(value: object) -> str:
    return _text(value)[:LONGEST_ID]


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _words(request: Request, answer: Answer, key: str) -> str:
    """What the answer says, on one line, without personal data, cut."""
    document = _json(answer.body)
    said = "; ".join(_messages(document)) or _plain(answer.body)
    sent = authorization(key).removeprefix("Basic ") if key else ""
    return _redacted(said, (*request.hidden, key, sent))


def _messages(document: Mapping[str, Any]) -> Iterator[str]:
    for place in (_mapping(document.get("data")), document):
        for name in ("message", "error", "error_description"):
            if message := _text(place.get(name)):
                yield message
        errors = place.get("errors")
        for item in errors if isinstance(errors, list) else [errors]:
            yield from _error(item)


def _error(item: object) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        yield " ".join(_text(value) for value in item.values() if _text(value))


def _plain(body: bytes) -> str:
    text = body[: 2 * SCANNED].decode("utf-8", "replace")
    if "<" not in text[:200]:
        return text.strip() or "no body"
    title = _TITLE.search(text)
    return f"an HTML page: {unescape(title[1]).strip()}" if title else "an HTML page"


def _redacted(text: str, hidden: Iterable[str]) -> str:
    if len(text) > SCANNED:
        # The last word may be half a secret.
        text = text[:SCANNED].rpartition(" ")[0]
    for secret in hidden:
        if secret:
            text = re.sub(re.escape(secret), "[hidden]", text, flags=re.I)
    text = _CREDENTIAL.sub(r"\1 [hidden]", _EMAIL.sub("[e-mail]", text))
    text = " ".join(_visible(text).split())
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"


def _visible(text: str) -> str:
    """`text` with blanks for control characters; empty where nothing in it can be seen."""
    text = "".join(" " if c < " " or "\x7f" <= c < "\xa0" else c for c in text)
    return text if any(c.isprintable() and not c.isspace() for c in text) else ""
