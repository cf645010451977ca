"""What the console changes where `BADGES_CONSOLE_WRITES` is on (decision 0091).

It gives orders, by the code of the commands.
"""

import hmac
import logging
from collections.abc import Mapping, Sequence
from typing import Literal, assert_never
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response

from streams.api.access import Staff
from streams.api.console.answering import CONSOLE, Answering, ConsolePage, proof
from streams.api.console.fresh import TROUBLES, trouble
from streams.api.console.operator import Operator
from streams.api.rows import LARGEST
from streams.api.tokens import Caller
from streams.bus.activities import NOTE_CHARACTERS
from streams.errors import ConfigurationError
from streams.operate.learners import is_line
from streams.operate.order import Given

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 1024
"""Of a form: a reason in any script, and ids."""
MOST_FIELDS = 10
Kind = Literal["award", "revoke", "reissue", "redrive"]


def writing(operator: Operator, answering: Answering) -> APIRouter:
    """The addresses that forms are sent to."""
    router = APIRouter(route_class=ConsolePage, include_in_schema=False)

    @router.post(f"{CONSOLE}orders/{{kind}}/")
    async def order(request: Request, caller: Staff, kind: Kind) -> Response:
        _from_here(request)
        form = await _form(request)
        if not hmac.compare_digest(form.get("proof", "").encode(), proof(request).encode()):
            raise HTTPException(403)
        values: dict[str, object] = {"kind": kind, "back": _back(form), "trouble": ""}
        try:
            by, why = _by(caller), _reason(form)
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
            return await operator.redrive(form.get("letter", ""))
    assert_never(kind)


def _from_here(request: Request) -> None:
    """Refuse what another site's page sends: every browser says from where a form comes."""
    scheme, _, host = request.headers.get("origin", "").partition("://")
    if scheme not in ("http", "https") or host != request.headers.get("host"):
        raise HTTPException(403)


async def _form(request: Request) -> dict[str, str]:
    """A form's fields; raises 400 for anything else."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(400)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413)
    try:
        return dict(
            parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        )
    except ValueError:
        raise HTTPException(400) from None


def _by(caller: Caller) -> str:
    return caller.username or f"LMS user {caller.user_id}"


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
