"""The service: who may call, what a call does to the books, what is answered."""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import orjson

from streams.sandbox.credly import documents
from streams.sandbox.credly.books import Books, CredlyBadge, CredlyTemplate
from streams.sandbox.credly.calls import incoming, unprocessable
from streams.sandbox.credly.events import Events
from streams.sandbox.credly.manners import KIND, Manners, RateLimit
from streams.sandbox.credly.tokens import Client, Token, Tokens
from streams.sandbox.issuers.calls import Entry, Incoming, RefusalError, Reply
from streams.sandbox.issuers.faults import proxy_page
from streams.sandbox.issuers.simulator import Simulator

NAMESPACE = UUID("6a0f3c1e-58a5-4b54-9d8e-1f0a9a4a7c11")
"""Of the badges' ids: the same calls get the same ids in every run."""


UNDOCUMENTED = "Validation failed"
"""All that is said where the words are not documented: nobody may rely on more of them."""


class CredlySimulator(Simulator):
    """Credly without any network. `now` gives its time in seconds, `draw` its random numbers from 0 to 1.

    `manners` may be replaced at any time.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] | None = None,
        manners: Manners = KIND,
    ) -> None:
        super().__init__(now, draw)
        self.manners = manners
        self._books = Books()
        self._tokens = Tokens()
        self._events = Events()
        self._limit = RateLimit()
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
        """Know an organization by this key, which may do everything, and by no other from now on."""
        self._tokens.only(Token(organization, key))

    def add_token(self, token: Token) -> None:
        """Know another key of an organization, or change one."""
        self._tokens.add(token)

    def add_client(self, organization: str, id: str, secret: str, lasts: float = 7_200.0) -> None:
        """Know a client of OAuth 2; a token that it gets lasts for so many seconds."""
        self._tokens.add_client(Client(organization, id, secret, lasts))

    def end_grants(self) -> None:
        """Take no token any more that was granted until now."""
        self._tokens.end_grants()

    def add_account(self, *emails: str) -> None:
        """Know a person by these addresses; the first is the primary one."""
        self._books.add_account(emails)

    def add_template(
        self,
        organization: str,
        template: str,
        state: str = "active",
        allow_duplicate_badges: bool = False,
        **texts: str,
    ) -> None:
        """Add a template, or change it; `texts` are its name, description and image_url."""
        word = "changed" if template in self.templates else "created"
        added = CredlyTemplate(template, organization, state, allow_duplicate_badges, **texts)
        self.templates[template] = added
        self.tell(organization, f"badge_template.{word}", documents.template_document(added))

    def held(self) -> list[CredlyBadge]:
        """The badges that somebody holds."""
        return self._books.held()

    def set_state(self, badge: str, state: str) -> None:
        """Do what an earner or an operator does on Credly's site; an empty state deletes the badge."""
        known = self.badges[badge]
        if not state:
            self._delete(known)
            return
        known.change(state, self._now())
        self._tell(known, "badge.state.changed")

    def tell(self, organization: str, type: str, about: Mapping[str, Any]) -> None:
        """Have the list of events say that something happened."""
        self._events.add(organization, type, self._now(), about)

    def replace(self, badge: str, template: str) -> CredlyBadge:
        """Replace a badge by one of this template, as an operator does on Credly's site."""
        old = self.badges[badge]
        return self._replace(old, replace(old, id=self._next_id(old.organization), template=template))

    @property
    def latency(self) -> float:
        """Seconds that each answer takes."""
        return self.manners.latency

    def _incoming(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Incoming:
        return incoming(method, target, headers, body)

    def _answer(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        if (call.method, call.path) == ("POST", "/oauth/token"):
            return Reply(200, orjson.dumps(self._tokens.grant(call.body, self._now()))), entry
        self._admit(call)
        return self._serve(call, entry)

    def _refused(self, refusal: RefusalError) -> Reply:
        wait = self.manners.retry_after if refusal.status == 429 else None
        headers = {"Retry-After": wait} if wait is not None else {}
        return Reply(refusal.status, refusal.page or orjson.dumps(refusal.body), headers)

    def _admit(self, call: Incoming) -> None:
        if not self._limit.admits(call.organization, self._now(), self.manners):
            raise RefusalError(429, {"message": "Too Many Requests"})
        if not call.path.startswith("/v1/"):
            raise RefusalError(404, {}, proxy_page(404))
        self._tokens.check(call, self._now())

    def _serve(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        books, organization = self._books, call.organization
        match call.method, call.rest:
            case "POST", ("badges",):
                return self._issue(organization, call.document, entry)
            case "GET", ("badges",):
                return self._list(call), entry
            case "GET", ("badges", badge):
                then = self._ago(self.manners.badge_lag)
                return self._shown(books.shown(organization, badge, then)), entry
            case "PUT", ("badges", badge, "revoke"):
                return self._revoke(books.badge(organization, badge), call.document, entry)
            case "POST", ("badges", badge, "replace"):
                return self._reissue(books.badge(organization, badge), call.document, entry)
            case "DELETE", ("badges", badge):
                return self._erase(books.badge(organization, badge), entry)
            case "GET", ("badge_templates",):
                own = [of for of in self.templates.values() if of.organization == organization]
                return documents.page_of_templates(own, int(call.query.get("page", ["1"])[0])), entry
            case "GET", ("badge_templates", template):
                return self._template(books.template(organization, template)), entry
            case "GET", ("events",):
                page = int(call.query.get("page", ["1"])[0])
                return self._events.page(organization, page, self._now(), self.manners), entry
            case "GET", ("events", event):
                return self._events.one(organization, event, self._now(), self.manners), entry
            case "POST", ("authorization_tokens", "rotate"):
                return documents.one(self._tokens.rotate(call, self._now())), replace(entry, done=True)
            case "GET", ("authorization_tokens",):
                return documents.many(self._tokens.documents(organization)), entry
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
            id=self._next_id(organization),
            organization=organization,
            template=template.id,
            email=email,
            first_name=wanted["issued_to_first_name"],
            last_name=wanted["issued_to_last_name"],
            earner=earner,
            issued_at=wanted["issued_at"],
            expires_at=wanted.get("expires_at"),
            evidence=wanted.get("evidence") or (),
        )
        self._books.add(badge, self._now())
        self._tell(badge, "badge.created")
        suppressed = bool(wanted.get("suppress_badge_notification_email"))
        entry = replace(_done(entry, badge), issued_at=badge.issued_at, suppressed=suppressed)
        return self._shown(badge, 201), entry

    def _revoke(self, badge: CredlyBadge, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        if not wanted.get("reason"):
            raise unprocessable("Validation failed: Revocation reason can't be blank")
        if badge.replaced_by is not None:
            raise unprocessable(UNDOCUMENTED, current_badge_id=badge.replaced_by)
        if not badge.held:
            return self._revoke_again(badge), entry
        badge.change("revoked", self._now())
        badge.revocation_reason = str(wanted["reason"])
        self._tell(badge, "badge.state.changed")
        suppressed = bool(wanted.get("suppress_revoke_notification_email"))
        return self._shown(badge), replace(_done(entry, badge), suppressed=suppressed)

    def _revoke_again(self, badge: CredlyBadge) -> Reply:
        match self.manners.not_held:
            case 200:
                return self._shown(badge)
            case 404:
                raise RefusalError(404, {"message": "resource not found"})
            case 409:
                raise RefusalError(409, {"message": UNDOCUMENTED})
            case 422:
                raise unprocessable(UNDOCUMENTED)

    def _reissue(self, old: CredlyBadge, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        if old.replaced_by is not None:
            message = "Validation failed: This badge cannot be replaced because it has already been replaced."
            raise unprocessable(message, current_badge_id=old.replaced_by)
        template = self._books.template(old.organization, str(wanted.get("badge_template_id")))
        documents.check_times(wanted)
        documents.check_evidence(wanted)
        new = self._replace(
            old,
            replace(
                old,
                id=self._next_id(old.organization),
                template=template.id,
                issued_at=wanted["issued_at"],
                expires_at=wanted.get("expires_at"),
                earner=str(wanted.get("issuer_earner_id") or old.earner),
                evidence=wanted.get("evidence") or old.evidence,
            ),
        )
        return self._shown(new, 201), _done(entry, new)

    def _replace(self, old: CredlyBadge, new: CredlyBadge) -> CredlyBadge:
        new.replaces, old.replaced_by, new.changes = old.id, new.id, []
        self._books.add(new, self._now())
        self._tell(new, "badge.created")
        return new

    def _erase(self, badge: CredlyBadge, entry: Entry) -> tuple[Reply, Entry]:
        self._delete(badge)
        return Reply(204, b""), _done(entry, badge)

    def _delete(self, badge: CredlyBadge) -> None:
        self._books.erase(badge, self._now())
        self.tell(badge.organization, "badge.deleted", {"id": badge.id})

    def _tell(self, badge: CredlyBadge, type: str) -> None:
        about = documents.badge_document(badge, self._books.account(badge.email))
        self.tell(badge.organization, type, about)

    def _list(self, call: Incoming) -> Reply:
        ignored = self.manners.ignored_filters
        wanted = {name: to for name, to in documents.filters(call.query).items() if name not in ignored}
        then = self._ago(self.manners.list_lag)
        found = self._books.search(call.organization, wanted, then)
        if "badge_template_id" in wanted:
            found = [badge for badge in found if not self._hidden(self.templates.get(badge.template))]
        url = f"https://{call.header('host') or 'sandbox'}{call.path}"
        return documents.page(found, int(call.query.get("page", ["1"])[0]), url, self._books.account)

    def _template(self, template: CredlyTemplate) -> Reply:
        return documents.one({} if self._hidden(template) else documents.template_document(template))

    def _hidden(self, template: CredlyTemplate | None) -> bool:
        return self.manners.hides_archived and template is not None and template.state == "archived"

    def _ago(self, lag: float) -> float:
        return self._now() - lag if lag else math.inf

    def _next_id(self, organization: str) -> str:
        return str(uuid5(NAMESPACE, f"{organization}:{next(self._issued)}"))

    def _shown(self, badge: CredlyBadge, status: int = 200) -> Reply:
        return documents.one(documents.badge_document(badge, self._books.account(badge.email)), status)


def _done(entry: Entry, badge: CredlyBadge) -> Entry:
    return replace(entry, done=True, template=badge.template, earner=badge.earner, badge=badge.id)
