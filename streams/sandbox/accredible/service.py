"""The service: who may call, what a call does to the books, what is answered."""

import itertools
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from streams.sandbox.accredible.books import Credential, Group
from streams.sandbox.issuers.calls import Endpoint, Entry, Incoming, RefusalError, Reply
from streams.sandbox.issuers.simulator import Simulator

WINDOW_SECONDS = 30
"""In which calls are counted; the documented 2,000 in five minutes are 200 in one."""
TAKEN = {
    "property": "recipient.email",
    "message": "has already been taken. Your group settings do not allow duplicates of this credential to be "
    "sent to the same email.",
}
"""What is wrong with a second credential in a group, as the documentation has it."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What Accredible may do beyond its documented answers.

    `latency`: seconds of each answer. `search_lag`: seconds until a search shows what was done. `calls`: how
    many it takes in 30 seconds, of everybody together. `silent`: what the documentation's examples lack is
    not said: whether a group allows duplicates, and what a credential is that was changed.
    """

    latency: float = 0.0
    search_lag: float = 0.0
    calls: int | None = None
    silent: bool = False


class AccredibleSimulator(Simulator):
    """Accredible without any network. `now` is Unix time; `habits` may be replaced at any time."""

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] | None = None,
        habits: Habits = Habits(),
    ) -> None:
        super().__init__(now, draw)
        self.habits = habits
        self.groups: dict[int, Group] = {}
        self.badges: dict[int, Credential] = {}
        self.credits: dict[str, int] = {}
        self.counted: Counter[int] = Counter()
        self._accounts: dict[str, str] = {}
        self._gone: list[tuple[float, Credential]] = []
        self._numbers_of_badges = itertools.count(10_000_005)

    @property
    def latency(self) -> float:
        """Seconds that each answer takes."""
        return self.habits.latency

    def add_account(self, account: str, key: str) -> None:
        """Know an account by this key."""
        self._accounts[key] = account

    def add_group(self, account: str, id: int, allow_duplicates: bool = False) -> None:
        """Add a group, or change it."""
        self.groups[id] = Group(id, account, allow_duplicates)

    def held(self) -> list[Credential]:
        """The credentials that somebody holds."""
        return [badge for badge in self.badges.values() if badge.held(self._today)]

    @property
    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _incoming(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Incoming:
        url = urlsplit(target)
        rest = tuple(url.path.split("/")[1:])
        given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        account = self._accounts.get(given.removeprefix("Token token="), "")
        endpoint = self._endpoint(method, rest, body)
        return Incoming(method, url.path, account, endpoint, rest, parse_qs(url.query), headers, body, target)

    def _endpoint(self, method: str, rest: tuple[str, ...], body: bytes) -> Endpoint:
        match method, rest:
            case "POST", ("v1", "credentials"):
                return "issue"
            case "PUT", ("v1", "credentials", _):
                return "issue" if b'"issued_on"' in body else "revoke"
            case "DELETE", ("v1", "credentials", _):
                return "erase"
            case ("GET", ("v1", "credentials", _)) | ("POST", ("v2", "credentials", "search")):
                return "look_up"
            case "GET", ("v1", "issuer", "groups", _):
                return "template"
        return "other"

    def _answer(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        self._admit(call)
        match call.method, call.rest:
            case "POST", ("v1", "credentials"):
                return self._create(call, entry)
            case "PUT", ("v1", "credentials", id):
                return self._update(self._credential(call, id), call, entry)
            case "DELETE", ("v1", "credentials", id):
                return self._delete(self._credential(call, id), entry)
            case "GET", ("v1", "credentials", id):
                return _one("credential", self._credential(call, id).document), entry
            case "POST", ("v2", "credentials", "search"):
                return self._search(call), entry
            case "GET", ("v1", "issuer", "groups", id):
                document = self._group(call, id).document
                if self.habits.silent:
                    del document["allow_duplicate_credentials"]
                return _one("group", document), entry
            case "POST", ("v1", "issuer", "groups", "search"):
                return self._groups(call), entry
            case "GET", ("v1", "issuer", "details"):
                left = self.credits.get(call.organization)
                return _one("issuer", {"id": 1, "name": call.organization, "certificate_left": left}), entry
        raise RefusalError(404, {"error": "Not found"})

    def _refused(self, refusal: RefusalError) -> Reply:
        return Reply(refusal.status, refusal.page or orjson.dumps(refusal.body))

    def _admit(self, call: Incoming) -> None:
        window = int(self._now() // WINDOW_SECONDS)
        self.counted[window] += 1
        if self.habits.calls is not None and self.counted[window] > self.habits.calls:
            raise RefusalError(429, {}, b"Too Many Requests")
        if not call.organization:
            raise RefusalError(401, {}, b"HTTP Token: Access denied.\n")

    def _create(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        wanted = call.document.get("credential") or {}
        group = self.groups.get(wanted.get("group_id", 0))
        if group is None or group.account != call.organization:
            raise RefusalError(422, {"errors": "Invalid Group"})
        recipient = wanted.get("recipient") or {}
        if not recipient.get("email") or not recipient.get("name"):
            raise RefusalError(422, {"errors": "Can not create credential without recipient data"})
        email = _email(recipient["email"])
        if not group.allow_duplicates and any(
            badge.group.id == group.id and badge.email.casefold() == email.casefold()
            for badge in self.badges.values()
        ):
            raise RefusalError(422, {"errors": {"code": "credential_invalid", "details": [TAKEN]}})
        badge = Credential(
            next(self._numbers_of_badges),
            group,
            str(wanted.get("id") or ""),
            str(recipient.get("id") or ""),
            recipient["name"],
            # A choice: addresses are the same in any case, and services keep them in one.
            email.lower(),
            _day(wanted.get("issued_on")) or self._today.isoformat(),
            _day(wanted.get("expired_on")),
            wanted.get("approve") is not False and self._pays(call.organization),
            since=self._now(),
        )
        self.badges[badge.id] = badge
        return _one("credential", badge.document), self._done(entry, badge, done=badge.approve)

    def _update(self, badge: Credential, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        wanted = call.document.get("credential") or {}
        before = badge.held(self._today), badge.issued_on
        changes: dict[str, Any] = {
            name: _day(wanted[name]) for name in ("issued_on", "expired_on") if name in wanted
        }
        recipient = wanted.get("recipient") or {}
        changes |= {name: recipient[name] for name in ("name", "email") if name in recipient}
        changes |= {"earner": recipient["id"]} if "id" in recipient else {}
        if wanted.get("approve") is True and not badge.approve:
            changes["approve"] = self._pays(call.organization)
        badge.change(self._now(), **changes)
        after = badge.held(self._today), badge.issued_on
        reply = Reply(200, b"") if self.habits.silent else _one("credential", badge.document)
        return reply, self._done(entry, badge, done=before != after)

    def _delete(self, badge: Credential, entry: Entry) -> tuple[Reply, Entry]:
        del self.badges[badge.id]
        self._gone.append((self._now(), badge))
        return _one("credential", badge.document), self._done(entry, badge, done=True)

    def _search(self, call: Incoming) -> Reply:
        query, page = call.document.get("query") or {}, call.document.get("page") or {}
        then = self._now() - self.habits.search_lag
        known = [*self.badges.values(), *(badge for at, badge in self._gone if then < at)]
        shown = [past for badge in known if (past := badge.as_of(then)) is not None]
        found = [b for b in shown if b.group.account == call.organization and b.matches(query)]
        size, start = int(page.get("size", 50)), _start(page)
        cursor = b64encode(orjson.dumps([start + size])).decode()
        meta = {"count": len(found), "from": start, "size": size, "cursor": cursor}
        return Reply(
            200,
            orjson.dumps({"credentials": [b.found for b in found[start : start + size]], "meta": meta}),
        )

    def _groups(self, call: Incoming) -> Reply:
        own = [group.document for group in self.groups.values() if group.account == call.organization]
        size, number = int(call.document.get("page_size", 50)), int(call.document.get("page", 1))
        pages = max(1, -(-len(own) // size))
        meta = {"current_page": number, "next_page": number + 1 if number < pages else None}
        return Reply(200, orjson.dumps({"groups": own[(number - 1) * size : number * size], "meta": meta}))

    def _pays(self, account: str) -> bool:
        left = self.credits.get(account)
        if left is not None:
            self.credits[account] = max(0, left - 1)
        return left is None or left > 0

    def _credential(self, call: Incoming, id: str) -> Credential:
        badge = self.badges.get(int(id)) if id.isdigit() else None
        if badge is None or badge.group.account != call.organization:
            raise RefusalError(404, {"errors": "Doesn't exist"})
        return badge

    def _group(self, call: Incoming, id: str) -> Group:
        group = self.groups.get(int(id)) if id.isdigit() else None
        if group is None or group.account != call.organization:
            raise RefusalError(404, {"success": False, "data": "Group does not exist"})
        return group

    def _done(self, entry: Entry, badge: Credential, *, done: bool) -> Entry:
        return replace(
            entry,
            done=done,
            template=badge.template,
            earner=badge.earner,
            badge=str(badge.id),
            issued_at=badge.issued_on,
        )


def _one(name: str, document: Mapping[str, Any]) -> Reply:
    return Reply(200, orjson.dumps({name: document}))


def _start(page: Mapping[str, Any]) -> int:
    cursor = page.get("cursor")
    start: int = orjson.loads(b64decode(cursor))[0] if cursor else page.get("from", 0)
    return start


def _email(value: str) -> str:
    name, at, host = value.strip().partition("@")
    if not name or not at or "." not in host:
        raise RefusalError(422, {"errors": {"recipient.email": ["is invalid"]}})
    return f"{name}@{host}"


def _day(value: object) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise RefusalError(422, {"errors": {"date": ["is not a date"]}}) from None
