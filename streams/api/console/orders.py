"""What the console changes where `BADGES_CONSOLE_WRITES` is on (decision 0091).

It gives orders, by the code of the commands.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, assert_never
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response

from streams.api.access import Staff
from streams.api.console.answering import CONSOLE, Answering, ConsolePage
from streams.api.console.fresh import TROUBLES, trouble
from streams.api.console.operator import Operator
from streams.api.forms import fields, is_proven
from streams.api.rows import LARGEST
from streams.api.tokens import Caller
from streams.bus.activities import NOTE_CHARACTERS
from streams.errors import ConfigurationError
from streams.logs import blanked
from streams.operate.learners import is_line
from streams.operate.order import Given

log = logging.getLogger(__name__)

Kind = Literal["award", "revoke", "reissue", "redrive"]


def writing(operator: Operator, answering: Answering) -> APIRouter:
    """The addresses that forms are sent to."""
    router = APIRouter(route_class=ConsolePage, include_in_schema=False)

    @router.post(f"{CONSOLE}orders/{{kind}}/")
    async def order(request: Request, caller: Staff, kind: Kind) -> Response:
        form = await fields(request)
        if not is_proven(request, form.get("proof", "")):
            raise HTTPException(403)
        values: dict[str, object] = {"kind": kind, "back": _back(form), "trouble": ""}
        try:
            by, why = _by(caller), _reason(form)
            # Before it is given: of what was cut off in between something may have been done.
            log.info("console: %s orders %s, %s: %s", by, kind, _about(form), why)
            lines = await _ordered(operator, kind, form, by, why)
        except TROUBLES as error:
            status = 400 if isinstance(error, ConfigurationError) else 503
            return answering.page(
                request, "ordered.html", values | {"lines": [], "trouble": trouble(error)}, status
            )
        return answering.page(request, "ordered.html", values | {"lines": lines})

    return router


async def _ordered(
    operator: Operator, kind: Kind, form: Mapping[str, str], by: str, why: str
) -> Sequence[str]:
    match kind:
        case "award" | "revoke":
            return await operator.give(Given(kind, _template(form), by, why), _learner(form))
        case "reissue":
            return await operator.reissue(_learner(form), _template(form) if form.get("template") else None)
        case "redrive":
            return await operator.redrive(form.get("letter", ""), (by, why))
    assert_never(kind)


def _by(caller: Caller) -> str:
    return blanked(caller.username) or f"LMS user {caller.user_id}"


def _reason(form: Mapping[str, str]) -> str:
    why = form.get("reason", "").strip()
    if not why or not is_line(why, NOTE_CHARACTERS):
        raise ConfigurationError(f"the reason must be one line of 1 to {NOTE_CHARACTERS} characters")
    return why


def _learner(form: Mapping[str, str]) -> int:
    text = form.get("learner", "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise ConfigurationError("the learner must be an LMS user id")
    return int(text)


def _template(form: Mapping[str, str]) -> str:
    try:
        return str(UUID(form.get("template", "")))
    except ValueError:
        raise ConfigurationError("the template must be a template's id") from None


def _about(form: Mapping[str, str]) -> str:
    """What an order is about, for the log; what is no id is no part of a line there."""
    named = ((name, form.get(name, "")) for name in ("learner", "template", "letter"))
    return ", ".join(f"{name} {text}" for name, text in named if text and is_line(text, 64))


def _back(form: Mapping[str, str]) -> str:
    """The page that the form was on."""
    if form.get("letter"):
        return f"{CONSOLE}dead-letters/"
    learner = form.get("learner", "").strip()
    named = learner.isascii() and learner.isdigit() and len(learner) < 20
    return f"{CONSOLE}learners/{learner}/" if named else CONSOLE
