"""A Credly for tests and demonstrations: its endpoints, answers and duplicate rule, faults on demand.

    python -m streams.sandbox.credly --port 8070 --organization ID=KEY --template ORGANIZATION/TEMPLATE

`Credly` answers without any network; `Server` puts it behind HTTP. Every call is kept in a journal. Under
`/_sandbox/` it can be looked at and told what to do next: `journal`, `badges` (GET), `organizations`,
`templates`, `badges`, `faults` (POST a JSON list, which for faults replaces the schedule).
"""

import asyncio
import base64
import itertools
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid5

import click
import orjson
from aiohttp import web

PAGE = 50
HELD = ("pending", "accepted")
NAMESPACE = UUID("6a0f3c1e-58a5-4b54-9d8e-1f0a9a4a7c11")
HTML = b"<!DOCTYPE html><html><head><title>Oh no</title></head><body>Something went wrong</body></html>"

Call = Literal["issue", "revoke", "erase", "look_up", "template", "tokens", "other"]
_ISSUER = re.compile(r"/v1/organizations/([^/]+)(?:/(.*))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble for the `first` to the `last` call among those that it concerns, or a share of them.

    `error` answers with `status` and does nothing; `lost` does the work and answers with `status`;
    `reset_before` and `reset_after` break the connection without and with the work done; `slow` does the
    work at once and answers after `seconds`; `slow_before` does it only then. `body`: what an error carries.
    """

    kind: Literal["error", "lost", "reset_before", "reset_after", "slow", "slow_before"]
    organization: str | None = None
    call: Call | None = None
    first: int = 1
    last: int | None = None
    share: float = 1.0
    status: int = 503
    retry_after: str | None = None
    body: Literal["json", "html", "empty", "binary", "echo"] = "json"
    seconds: float = 0.0

    def concerns(self, organization: str, call: Call) -> bool:
        """True where the call is one of those that it counts."""
        return self.organization in (None, organization) and self.call in (None, call)


@dataclass(frozen=True, slots=True)
class Entry:
    """A call in the journal. `done` where it changed something; `status` 0 where no answer was given."""

    number: int
    at: float
    organization: str
    call: Call
    method: str
    path: str
    status: int
    done: bool
    fault: str = ""
    template: str = ""
    earner: str = ""
    badge: str = ""
    issued_at: str = ""
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer, and how: after `delay` seconds, or not at all."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False


@dataclass(slots=True)
class Template:
    """A badge template."""

    id: str
    organization: str
    state: str = "active"
    allow_duplicate_badges: bool = False


@dataclass(slots=True)
class Badge:
    """An issued badge."""

    id: str
    organization: str
    template: str
    email: str
    first_name: str
    last_name: str
    earner: str
    issued_at: str
    expires_at: Any
    state: str = "pending"
    revocation_reason: str | None = None


class RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Credly:
    """The service itself. `now` and `draw` are its clock and its dice."""

    def __init__(self, now: Callable[[], float] = time.time, draw: Callable[[], float] | None = None) -> None:
        self.keys: dict[str, str] = {}
        self.key_expires_at = "2030-01-01T00:00:00.000+00:00"
        self.templates: dict[str, Template] = {}
        self.badges: dict[str, Badge] = {}
        self.journal: list[Entry] = []
        self.latency = 0.0
        self.ignored_filters: set[str] = set()
        self._now = now
        self._draw = draw or random.Random(7).random
        self._faults: list[Fault] = []
        self._counts: list[int] = []
        self._made: list[int] = []
        self._held: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._numbers = itertools.count(1)
        self._issued = itertools.count()

    def add_organization(self, organization: str, key: str) -> None:
        """Know an organization by this key, from now on."""
        self.keys[organization] = key

    def add_template(
        self, organization: str, template: str, state: str = "active", allow_duplicate_badges: bool = False
    ) -> None:
        """Know a template, or change it."""
        self.templates[template] = Template(template, organization, state, allow_duplicate_badges)

    def schedule(self, faults: Iterable[Fault]) -> None:
        """Make this trouble from now on, and no other."""
        self._faults = list(faults)
        self._counts = [0] * len(self._faults)
        self._made = [0] * len(self._faults)

    def happened(self, place: int) -> int:
        """How often the schedule's fault of this place has been made."""
        return self._made[place]

    def held(self) -> list[Badge]:
        """The badges that somebody holds."""
        return [badge for badge in self.badges.values() if badge.state in HELD]

    def set_state(self, badge: str, state: str) -> None:
        """What an earner or an operator does on Credly's site."""
        self.badges[badge].state = state

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a call."""
        url = urlsplit(target)
        match = _ISSUER.fullmatch(url.path)
        organization, rest = (match[1], match[2] or "") if match else ("", "")
        call = _call(method, rest)
        entry = Entry(next(self._numbers), self._now(), organization, call, method, url.path, 0, False)
        fault = self._fault(organization, call)
        if fault is not None and fault.kind in ("error", "reset_before"):
            return self._fail(entry, fault, headers, body)
        try:
            self._authenticate(organization, headers)
            reply, entry = self._serve(method, organization, rest, parse_qs(url.query), body, entry)
        except RefusalError as refusal:
            reply = Reply(refusal.status, orjson.dumps(refusal.body))
        if fault is not None and fault.kind in ("lost", "reset_after"):
            return self._fail(entry, fault, headers, body)
        self.journal.append(replace(entry, status=reply.status, fault=fault.kind if fault else ""))
        delay = self.latency + (fault.seconds if fault is not None else 0.0)
        return replace(reply, delay=delay)

    def slow_before(self, method: str, target: str) -> float:
        """Seconds to wait before the call is handled at all; counts for the schedule as a call of its own."""
        url = urlsplit(target)
        match = _ISSUER.fullmatch(url.path)
        organization, rest = (match[1], match[2] or "") if match else ("", "")
        fault = self._fault(organization, _call(method, rest), before=True)
        return fault.seconds if fault is not None else 0.0

    def _fault(self, organization: str, call: Call, *, before: bool = False) -> Fault | None:
        chosen = None
        for place, fault in enumerate(self._faults):
            if (fault.kind == "slow_before") != before or not fault.concerns(organization, call):
                continue
            self._counts[place] += 1
            due = fault.first <= self._counts[place] <= (fault.last or sys.maxsize)
            if chosen is None and due and (fault.share >= 1.0 or self._draw() < fault.share):
                chosen = fault
                self._made[place] += 1
        return chosen

    def _fail(self, entry: Entry, fault: Fault, asked: Mapping[str, str], body: bytes) -> Reply:
        reset = fault.kind.startswith("reset")
        self.journal.append(replace(entry, status=0 if reset else fault.status, fault=fault.kind))
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        said = _fault_body(fault, asked, body)
        return Reply(fault.status, said, headers, self.latency + fault.seconds, reset)

    def _authenticate(self, organization: str, headers: Mapping[str, str]) -> None:
        expected = base64.b64encode(f"{self.keys.get(organization)}:".encode()).decode()
        given = next((v for k, v in headers.items() if k.lower() == "authorization"), "")
        if given != f"Basic {expected}" or organization not in self.keys:
            message = "Invalid authorization token or organization"
            raise RefusalError(401, {"data": {"message": message}, "metadata": {}})

    def _serve(
        self,
        method: str,
        organization: str,
        rest: str,
        query: Mapping[str, Sequence[str]],
        body: bytes,
        entry: Entry,
    ) -> tuple[Reply, Entry]:
        match method, rest.split("/"):
            case "POST", ["badges"]:
                return self._issue(organization, _document(body), entry)
            case "GET", ["badges"]:
                return self._list(organization, query), entry
            case "GET", ["badges", badge]:
                return _ok(self._badge_document(self._badge(organization, badge))), entry
            case "PUT", ["badges", badge, "revoke"]:
                return self._revoke(self._badge(organization, badge), _document(body), entry)
            case "DELETE", ["badges", badge]:
                return self._erase(self._badge(organization, badge), entry)
            case "GET", ["badge_templates", template]:
                return _ok(self._template_document(self._template(organization, template))), entry
            case "GET", ["authorization_tokens"]:
                key = self.keys[organization]
                listed = [{"token": key, "expires_at": self.key_expires_at, "write_enabled": True}]
                return Reply(200, orjson.dumps({"data": listed, "metadata": {}})), entry
            case "GET", [""]:
                return _ok({"id": organization, "name": "Sandbox"}), entry
        raise RefusalError(404, {"message": "resource not found"})

    def _issue(self, organization: str, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        template = self._template(organization, str(wanted.get("badge_template_id")))
        if template.state != "active":
            raise _unprocessable("an archived badge template cannot be used to issue new badges")
        _validate(wanted)
        email, earner = wanted["recipient_email"], str(wanted.get("issuer_earner_id") or "")
        if not template.allow_duplicate_badges and self._has(template.id, email, earner):
            raise _unprocessable("User already has this badge")
        badge = Badge(
            id=str(uuid5(NAMESPACE, f"{organization}:{next(self._issued)}")),
            organization=organization,
            template=template.id,
            email=email,
            first_name=wanted["issued_to_first_name"],
            last_name=wanted["issued_to_last_name"],
            earner=earner,
            issued_at=wanted["issued_at"],
            expires_at=wanted.get("expires_at"),
        )
        self.badges[badge.id] = badge
        for place in _places(badge):
            self._held[place].append(badge.id)
        entry = replace(
            entry,
            done=True,
            template=template.id,
            earner=earner,
            badge=badge.id,
            issued_at=badge.issued_at,
            suppressed=bool(wanted.get("suppress_badge_notification_email")),
        )
        return Reply(201, orjson.dumps({"data": self._badge_document(badge), "metadata": {}})), entry

    def _revoke(self, badge: Badge, wanted: Mapping[str, Any], entry: Entry) -> tuple[Reply, Entry]:
        if not wanted.get("reason"):
            raise _unprocessable("Validation failed: Revocation reason can't be blank")
        if badge.state not in HELD:
            raise _unprocessable(
                f"Validation failed: This badge cannot be revoked because it is {badge.state}"
            )
        badge.state, badge.revocation_reason = "revoked", str(wanted["reason"])
        suppressed = bool(wanted.get("suppress_revoke_notification_email"))
        entry = replace(
            entry,
            done=True,
            template=badge.template,
            earner=badge.earner,
            badge=badge.id,
            suppressed=suppressed,
        )
        return _ok(self._badge_document(badge)), entry

    def _erase(self, badge: Badge, entry: Entry) -> tuple[Reply, Entry]:
        del self.badges[badge.id]
        for place in _places(badge):
            self._held[place].remove(badge.id)
        entry = replace(entry, done=True, template=badge.template, earner=badge.earner, badge=badge.id)
        return _ok(self._badge_document(badge)), entry

    def _list(self, organization: str, query: Mapping[str, Sequence[str]]) -> Reply:
        filters = {
            name: values for name, values in _filters(query).items() if name not in self.ignored_filters
        }
        listed = [b for b in self._candidates(filters) if b.organization == organization]
        for name, values in filters.items():
            listed = [badge for badge in listed if _matches(badge, name, values)]
        page, pages = int(query.get("page", ["1"])[0]), max(1, -(-len(listed) // PAGE))
        shown = listed[(page - 1) * PAGE : page * PAGE]
        metadata = {
            "count": len(shown),
            "current_page": page,
            "total_count": len(listed),
            "total_pages": pages,
            "per": PAGE,
            "next_page_url": f"https://sandbox/?page={page + 1}" if page < pages else None,
        }
        data = [self._badge_document(badge) for badge in shown]
        return Reply(200, orjson.dumps({"data": data, "metadata": metadata}))

    def _candidates(self, filters: Mapping[str, Sequence[str]]) -> list[Badge]:
        """Fewer to look at where an index knows them; what was held once stays in it."""
        template = filters.get("badge_template_id", ("",))
        for name, kind in (("issuer_earner_id", "earner"), ("recipient_email_all", "email")):
            if name in filters and len(template) == len(filters[name]) == 1:
                ids = self._held[(template[0], kind, filters[name][0].casefold())]
                return [self.badges[badge] for badge in ids]
        return list(self.badges.values())

    def _has(self, template: str, email: str, earner: str) -> bool:
        places = [(template, "email", email.casefold())]
        if earner:
            places.append((template, "earner", earner.casefold()))
        return any(self.badges[b].state in HELD for place in places for b in self._held[place])

    def _template(self, organization: str, template: str) -> Template:
        known = self.templates.get(template)
        if known is None or known.organization != organization:
            raise RefusalError(404, {"message": "resource not found"})
        return known

    def _badge(self, organization: str, badge: str) -> Badge:
        known = self.badges.get(badge)
        if known is None or known.organization != organization:
            raise RefusalError(404, {"message": "resource not found"})
        return known

    def _template_document(self, template: Template) -> dict[str, Any]:
        return {
            "id": template.id,
            "state": template.state,
            "allow_duplicate_badges": template.allow_duplicate_badges,
            "name": f"Template {template.id[:8]}",
            "owner": {"id": template.organization},
        }

    def _badge_document(self, badge: Badge) -> dict[str, Any]:
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


class Server:
    """The service behind HTTP, with the pages that tell it what to do."""

    def __init__(self, credly: Credly, host: str = "127.0.0.1", port: int = 0) -> None:
        self.credly = credly
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens; only once started."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> "Server":
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("GET", "/_sandbox/{what}", self._show)
        application.router.add_route("POST", "/_sandbox/{what}", self._tell)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        seconds = self.credly.slow_before(request.method, request.raw_path)
        if seconds:
            await asyncio.sleep(seconds)
        reply = self.credly.handle(request.method, request.raw_path, request.headers, body)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.reset and request.transport is not None:
            request.transport.abort()
        html = reply.body.startswith(b"<")
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers=reply.headers,
            content_type="text/html" if html else "application/json",
        )

    async def _show(self, request: web.Request) -> web.Response:
        match request.match_info["what"]:
            case "journal":
                since = int(request.query.get("since", "0"))
                return _json([asdict(entry) for entry in self.credly.journal[since:]])
            case "badges":
                return _json([asdict(badge) for badge in self.credly.badges.values()])
        raise web.HTTPNotFound

    async def _tell(self, request: web.Request) -> web.Response:
        told: list[dict[str, Any]] = orjson.loads(await request.read())
        match request.match_info["what"]:
            case "organizations":
                for item in told:
                    self.credly.add_organization(**item)
            case "templates":
                for item in told:
                    self.credly.add_template(**item)
            case "badges":
                for item in told:
                    self.credly.set_state(**item)
            case "faults":
                self.credly.schedule(Fault(**item) for item in told)
            case _:
                raise web.HTTPNotFound
        return _json({"told": len(told)})


def _call(method: str, rest: str) -> Call:
    match method, rest.split("/"):
        case "POST", ["badges"]:
            return "issue"
        case "PUT", ["badges", _, "revoke"]:
            return "revoke"
        case "DELETE", ["badges", _]:
            return "erase"
        case "GET", ["badges", *_]:
            return "look_up"
        case "GET", ["badge_templates", *_]:
            return "template"
        case "GET", ["authorization_tokens"]:
            return "tokens"
    return "other"


def _fault_body(fault: Fault, headers: Mapping[str, str], body: bytes) -> bytes:
    match fault.body:
        case "json":
            return orjson.dumps({"data": {"message": "Something went wrong"}, "metadata": {}})
        case "html":
            return HTML
        case "binary":
            return b"\xff\xfe\x00\x80"
        case "empty":
            return b""
        case "echo":
            # What no caller should let through to its logs.
            email = _document(body).get("recipient_email") if body else "nobody@example.org"
            message = f"user {email} with {headers.get('Authorization')} is not welcome"
            return orjson.dumps({"data": {"message": message}, "metadata": {}})


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise RefusalError(400, {"message": "the body is no JSON object"})
    return document


def _validate(wanted: Mapping[str, Any]) -> None:
    required = ("recipient_email", "issued_to_first_name", "issued_to_last_name", "issued_at")
    for name in required:
        if not wanted.get(name):
            words = name.replace("_", " ").capitalize()
            raise _unprocessable(f"Validation failed: {words} can't be blank")
    email = wanted["recipient_email"]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise _unprocessable(f"Validation failed: Recipient email {email} is invalid")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", wanted["issued_at"]):
        raise _unprocessable("Validation failed: Issued at is not a date")


def _unprocessable(message: str) -> RefusalError:
    return RefusalError(422, {"data": {"message": message}, "metadata": {}})


def _places(badge: Badge) -> list[tuple[str, str, str]]:
    places = [(badge.template, "email", badge.email.casefold())]
    if badge.earner:
        places.append((badge.template, "earner", badge.earner.casefold()))
    return places


def _filters(query: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    pairs = (part.split("::", 1) for text in query.get("filter", ()) for part in text.split("|"))
    return {pair[0]: pair[1].split(",") for pair in pairs if len(pair) == 2}


def _matches(badge: Badge, name: str, values: Sequence[str]) -> bool:
    match name:
        case "state":
            return badge.state in values
        case "badge_template_id":
            return badge.template in values
        case "issuer_earner_id":
            return badge.earner in values
        case "recipient_email" | "recipient_email_all":
            return badge.email.casefold() in (value.casefold() for value in values)
    return True


def _ok(data: Mapping[str, Any]) -> Reply:
    return Reply(200, orjson.dumps({"data": data, "metadata": {}}))


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="0 takes a free one; the address is printed.")
@click.option("--organization", "organizations", multiple=True, metavar="ID=KEY")
@click.option("--template", "templates", multiple=True, metavar="ORGANIZATION/TEMPLATE")
@click.option("--latency", default=0.0, help="Seconds that each answer takes.")
def main(
    host: str, port: int, organizations: tuple[str, ...], templates: tuple[str, ...], latency: float
) -> None:
    """Serve a Credly that forgets everything when it ends."""
    credly = Credly()
    credly.latency = latency
    for organization in organizations:
        credly.add_organization(*organization.split("=", 1))
    for template in templates:
        organization, _, identifier = template.partition("/")
        credly.add_template(organization, identifier)
    asyncio.run(_serve(Server(credly, host, port)))


async def _serve(server: Server) -> None:
    async with server:
        click.echo(server.url)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
