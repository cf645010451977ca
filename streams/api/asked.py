"""What the addresses are given by a request: what is known, the languages, the template that is named."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, HTTPException, Path, Query, Request

from streams.api import models
from streams.api.languages import accepted
from streams.api.view import View
from streams.badges import Compiled

# All are coroutines: FastAPI runs any other function in a thread, which takes longer than what they do.

FAULTS = {
    400: "A parameter is wrong.",
    401: "Nobody is recognized by the token, or there is none.",
    403: "The caller may not ask this.",
    404: "There is no such thing, or no such page.",
    429: "Asked too often; `Retry-After` says when to come again.",
    503: "Nothing is known yet, or nobody can be recognized now.",
}
LATER = {"Retry-After": "5"}
"""The topics of a large site are read up in a minute or two."""


def public() -> dict[int | str, dict[str, Any]]:
    """What may be answered in place of something for everybody."""
    return _faults(400, 404, 429, 503)


def protected() -> dict[int | str, dict[str, Any]]:
    """What may be answered in place of something for a caller."""
    return _faults(*FAULTS)


def _faults(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": models.Fault, "description": FAULTS[code]} for code in codes}


async def _view(request: Request) -> View:
    view: View = request.app.state.view
    if why := view.not_ready:
        raise HTTPException(503, f"Not ready: {why.partition(':')[0]}.", LATER)
    return view


async def _languages(
    request: Request, lang: Annotated[str, Query(max_length=35, description="Before the browser's.")] = ""
) -> Sequence[str]:
    """The languages that are asked for: the one in the address first, then the browser's."""
    return [*accepted(lang), *accepted(request.headers.get("accept-language"))]


async def _template(template: Annotated[UUID, Path(description="The badge template's id.")]) -> str:
    return str(template)


Known = Annotated[View, Depends(_view)]
Languages = Annotated[Sequence[str], Depends(_languages)]
TemplateId = Annotated[str, Depends(_template)]


async def _active(view: Known, template: TemplateId) -> Compiled:
    turn = view.document.compiled.turns.get(template)
    if turn is None:
        raise HTTPException(404, "Not found.")
    return view.document.compiled.active[turn]


Active = Annotated[Compiled, Depends(_active)]
