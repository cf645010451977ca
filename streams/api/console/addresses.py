"""The console's addresses: each reads, for administrators alone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from streams.api import answers, models
from streams.api.access import Staff
from streams.api.asked import Known, TemplateId
from streams.api.console import commands, shown
from streams.api.console.answering import CONSOLE, Answering, ConsolePage
from streams.api.console.fresh import TROUBLES, trouble
from streams.api.console.glance import Glance
from streams.api.console.history import History, Version
from streams.api.console.operator import Operator
from streams.api.html.learner import shown as as_she_sees
from streams.api.paging import Paged, Paging
from streams.api.questions import Questions
from streams.api.rows import HELD, LARGEST, NONE, REVOKED
from streams.api.view import View
from streams.badges import Progress
from streams.kafka.dead_letters import REASONS
from streams.operate.dead_letters import Filter, shown_as_json
from streams.operate.explain import Known as Explained
from streams.operate.explain import told
from streams.operate.recent import Recent
from streams.operate.whereabouts import Issuances

FOUND = 20
"""Learners that a search finds: of an address one, unless people share it."""
TEXT = 254
"""Characters of what is searched for: the longest address."""
LETTERS = 50
"""Dead letters on a page."""
STATES = {"held": (HELD, HELD), "revoked": (REVOKED, REVOKED), "open": (NONE, NONE)}
LearnerId = Annotated[int, Path(ge=0, le=LARGEST)]
Text = Annotated[str, Query(max_length=TEXT)]


def reading(view: View, operator: Operator, answering: Answering) -> APIRouter:
    """The pages that show something."""
    router = APIRouter(route_class=ConsolePage, include_in_schema=False, prefix=CONSOLE.rstrip("/"))
    glance, history = Glance(view, operator), History()

    @router.get("")
    async def without_its_slash() -> Response:
        return RedirectResponse(CONSOLE, 308)

    @router.get("/")
    async def overview(request: Request, view: Known, _: Staff) -> Response:
        seen = await glance.look()
        numbers, letters = seen.numbers.value, seen.letters.value
        waiting = numbers.waiting if numbers else ()
        values = {
            "seen": seen,
            "view": view,
            "organizations": shown.organizations(view.document, waiting, seen.workers.value or ()),
            "reasons": shown.by_reason(letters.rows) if letters else (),
            "commands": commands,
        }
        return answering.page(request, "overview.html", values)

    @router.get("/templates/")
    async def templates(request: Request, view: Known, _: Staff, paged: Paged) -> Response:
        return answering.page(request, "templates.html", await _templates(view, paged))

    @router.get("/templates/{template}/")
    async def template(
        request: Request,
        view: Known,
        _: Staff,
        template: TemplateId,
        paged: Paged,
        state: Literal["held", "revoked", "open"] = "held",
    ) -> Response:
        return answering.page(request, "template.html", await _template(view, template, paged, state))

    @router.get("/learners/")
    async def learners(request: Request, view: Known, _: Staff, q: Text = "") -> Response:
        text = q.strip()
        found = _found(view, text) if text else []
        if len(found) == 1:
            return RedirectResponse(f"{CONSOLE}learners/{found[0][0]}/", 303)
        return answering.page(request, "learners.html", {"text": text, "found": found})

    @router.get("/learners/{learner}/")
    async def learner(request: Request, view: Known, _: Staff, learner: LearnerId) -> Response:
        return answering.page(request, "learner.html", await _learner(view, learner))

    @router.get("/catalogs/")
    async def catalogs(request: Request, view: Known, _: Staff, paged: Paged) -> Response:
        def ask(questions: Questions) -> tuple[int, list[Version]]:
            return history.page(questions, paged.limit, paged.offset)

        count, versions = await view.widely(ask)
        values = {"view": view, "versions": versions, "commands": commands, **_neighbours(paged, count)}
        return answering.page(request, "catalogs.html", values)

    @router.get("/dead-letters/")
    async def letters(
        request: Request,
        _: Staff,
        paged: Paged,
        reason: Text = "",
        worker: Literal["", "tracker", "relay"] = "",
        type: Text = "",
        since: Text = "",
        until: Text = "",
    ) -> Response:
        given = {"reason": reason, "worker": worker, "type": type, "since": since, "until": until}
        wanted = Filter(reason=reason, since=_time(since), until=_time(until))
        try:
            found, why = await operator.letters(wanted, worker, type), ""
        except TROUBLES as error:
            found, why = Recent([], None), trouble(error)
        values = _letters(given, wanted, found, paged)
        return answering.page(request, "letters.html", values | {"trouble": why})

    @router.get("/dead-letters/{id}/")
    async def letter(
        request: Request, _: Staff, id: Annotated[str, Path(pattern=r"^(relay:)?\d{1,10}:\d{1,19}$")]
    ) -> Response:
        try:
            found = await operator.letter(id)
        except TROUBLES as error:
            return answering.page(request, "letter.html", {"id": id, "trouble": trouble(error)}, 503)
        if found is None:
            raise HTTPException(404)
        one, whole = found
        values = {"id": id, "trouble": "", "letter": shown_as_json(one), "what": one.what, "whole": whole}
        return answering.page(request, "letter.html", values | {"commands": commands})

    return router


async def _templates(view: View, paged: Paging) -> dict[str, object]:
    document = view.document
    listed = sorted(
        document.templates.values(), key=lambda one: (not one.active, one.name.casefold(), one.id)
    )
    page = paged.cut(listed)

    def ask(questions: Questions) -> list[shown.TemplateRow]:
        stages = questions.stages()
        return [
            shown.template_row(document, one.id, questions.counted(one.id), stages.get(one.id, {}))
            for one in page
        ]

    rows = await view.widely(ask)
    return {"rows": rows, "parts_of": shown.of_template, **_neighbours(paged, len(listed))}


async def _template(view: View, template: str, paged: Paging, state: str) -> dict[str, object]:
    document, badges, now = view.document, STATES[state], view.now

    def ask(questions: Questions) -> tuple[shown.TemplateRow, list[shown.Bar], list[tuple[object, object]]]:
        counted, stages = questions.counted(template), questions.stages().get(template, {})
        found = questions.learners(template, paged.limit, paged.offset, badges)
        people: list[tuple[object, object]] = [
            (answers.learner(id, known), _badge(view, questions, id, template, known, now))
            for id, known in found
        ]
        row = shown.template_row(document, template, counted, stages)
        return row, shown.histogram(document, template, counted), people

    row, histogram, people = await view.widely(ask)
    if not row.begun and template not in document.templates:
        raise HTTPException(404)
    return {
        "row": row,
        "declared": document.templates.get(template),
        "histogram": histogram,
        "people": people,
        "state": state,
        "parts_of": shown.of_template,
        "commands": commands,
        **_neighbours(paged, getattr(row, state)),
    }


def _badge(
    view: View, questions: Questions, learner: int, template: str, known: Progress, now: int
) -> object:
    """Where the badge is, or how far who has none is."""
    badge = known.badge(template)
    if badge is not None:
        return answers.badge(view.document, learner, template, badge, questions.issuances(learner), now)
    turn = view.document.compiled.turns.get(template)
    if turn is None:
        return None
    return answers.progress(view.document, view.document.compiled.active[turn], known, now, ("en",))


def _found(view: View, text: str) -> list[tuple[int, Progress]]:
    """The learners whom a text names: by id, user name or address."""
    found = dict(view.questions.named(text, FOUND))
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST:
        known, _ = view.questions.learner(int(text))
        if known is not None or not found:
            found = {int(text): known or Progress.initial(), **found}
    return list(found.items())


async def _learner(view: View, learner: int) -> dict[str, object]:
    document, now = view.document, view.now
    names = await view.names_by_rules()
    progress, forgotten = view.questions.learner(learner)
    issued, relay = view.questions.issuances(learner), view.following.relay
    known = progress or Progress.initial()
    lines = told(
        Explained(
            learner, document, view.catalogs.revision, names, progress, forgotten, Issuances(issued, relay)
        ),
        None,
        now,
    )
    return {
        "learner": learner,
        "user": known.user,
        "known": progress is not None,
        "badges": shown.badges(document, learner, known, issued, now, relay=relay),
        "paths": as_she_sees(document, view.active, learner, known, issued, now, ("en",)).begun,
        "blocks": list(shown.blocks(lines)),
        "active": view.active,
        "templates": document.templates,
        "commands": commands,
    }


def _letters(given: Mapping[str, str], wanted: Filter, found: Recent, paged: Paging) -> dict[str, object]:
    page = paged.offset // paged.limit + 1
    rows = found.rows[(page - 1) * LETTERS : page * LETTERS]
    kept = {name: text for name, text in given.items() if text}
    filters = wanted.reason, *(at.isoformat() if at else "" for at in (wanted.since, wanted.until))
    # The command has no filter for worker and type of event.
    few = given["worker"] or given["type"]
    older = found.before and urlencode(kept | {"until": found.before.isoformat()})
    return {
        "given": given,
        "found": found,
        "rows": rows,
        "reasons": REASONS,
        "bars": shown.by_reason(found.rows),
        "previous": urlencode(kept | {"page": page - 1}) if page > 1 else "",
        "next": urlencode(kept | {"page": page + 1}) if page * LETTERS < len(found.rows) else "",
        "older": older or "",
        "redrive": commands.redrive(*(row.id for row in rows)) if few else commands.redrive_all(*filters),
        "list": commands.list_letters(*filters),
    }


def _neighbours(paged: Paging, count: int) -> dict[str, object]:
    """Of a page of a list of `count`: the queries of those before and after it."""
    page: models.Page[object] = paged.of(count, ())
    return {
        "count": count,
        "previous": urlsplit(page.previous or "").query,
        "next": urlsplit(page.next or "").query,
    }


def _time(text: str) -> datetime | None:
    """What a form has of a time, which is UTC's where it does not say; None where it has none."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise HTTPException(400) from None
