"""The API's addresses: who may ask what, and with which answer (decision 0077)."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp

from streams.api import answers, models
from streams.api.access import Access, OfLearner
from streams.api.languages import accepted
from streams.api.limits import Limit
from streams.api.manners import LAG, Manners
from streams.api.paging import Paged
from streams.api.view import View
from streams.badges import Compiled, Progress

ROOT = "/badges/api/v1"
_FAULTS = {
    400: "A parameter is wrong.",
    401: "Nobody is recognized by the token, or there is none.",
    403: "The caller may not ask this.",
    404: "There is no such thing, or no such page.",
    429: "Asked too often; `Retry-After` says when to come again.",
    503: "Nothing is known yet: read up first.",
}
PUBLIC, OWN = (400, 404, 429, 503), (400, 401, 403, 404, 429, 503)

router = APIRouter(prefix=ROOT)


def _view(request: Request) -> View:
    view: View = request.app.state.view
    if why := view.not_ready:
        raise HTTPException(503, f"Not ready: {why.partition(':')[0]}.", {"Retry-After": "5"})
    return view


def _languages(request: Request, lang: Annotated[str, Query(max_length=35)] = "") -> Sequence[str]:
    """The languages that are asked for: the one in the address first, then the browser's."""
    return [*accepted(lang), *accepted(request.headers.get("accept-language"))]


def _active(view: "Known", template: Annotated[UUID, Path()]) -> Compiled:
    turn = view.document.compiled.turns.get(str(template))
    if turn is None:
        raise HTTPException(404, "Not found.")
    return view.document.compiled.active[turn]


Known = Annotated[View, Depends(_view)]
Languages = Annotated[Sequence[str], Depends(_languages)]
Active = Annotated[Compiled, Depends(_active)]


def _faults(codes: Sequence[int]) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": models.Fault, "description": _FAULTS[code]} for code in codes}


@router.get("/templates/", responses=_faults(PUBLIC))
async def templates(view: Known, paged: Paged, languages: Languages) -> models.Page[models.Template]:
    """The badge templates that learners can earn, by name."""
    document = view.document
    named = sorted(document.compiled.active, key=lambda one: (document.templates[one.id].name, one.id))
    shown = [answers.template(document, one, languages) for one in paged.cut(named)]
    return paged.of(len(named), shown)


@router.get("/templates/{template}/", responses=_faults(PUBLIC))
async def template(view: Known, active: Active, languages: Languages) -> models.Template:
    """One badge template that learners can earn."""
    return answers.template(view.document, active, languages)


@router.get("/progress/", responses=_faults(OWN))
async def progress(
    view: Known,
    learner: OfLearner,
    paged: Paged,
    languages: Languages,
    everything: Annotated[bool, Query(alias="all", description="Also what is not begun.")] = False,
) -> models.Page[models.Progress]:
    """How far the caller is with each template that is begun: the fewest missing first."""
    known, _ = view.questions.learner(learner)
    known = known or Progress.initial()
    document, now = view.document, view.now
    listed = document.compiled.active if everything else answers.begun(document, known)
    ranked = sorted(listed, key=lambda one: answers.rank(document, one, known, now))
    shown = [answers.progress(document, one, known, now, languages) for one in paged.cut(ranked)]
    return paged.of(len(ranked), shown)


@router.get("/badges/", responses=_faults(OWN))
async def badges(view: Known, learner: OfLearner, paged: Paged) -> models.Page[models.Badge]:
    """The caller's badges, also those that were revoked: the newest award first."""
    known, _ = view.questions.learner(learner)
    if known is None:
        return paged.of(0, [])
    issued = view.questions.issuances(learner)
    shown = answers.badges(view.document, learner, known, issued, view.now)
    return paged.of(len(shown), paged.cut(shown))


def application(view: View, access: Access, origins: Sequence[str], addresses: Limit) -> ASGIApp:
    """The whole of it; `origins` are the pages elsewhere that a browser may show answers to."""
    app = FastAPI(
        title="Badges",
        version="1",
        summary="Badge templates, and learners' progress and badges.",
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.view, app.state.access = view, access
    app.include_router(router)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(Exception, _broken)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_credentials=True,
            allow_methods=["GET"],
            allow_headers=["Authorization", "USE-JWT-COOKIE"],
            expose_headers=[LAG],
        )
    return Manners(app, lambda: view.lag, addresses)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    said = error.detail
    if error.status_code == 405:
        said = f'Method "{request.method}" not allowed.'
    elif said == "Not Found":
        said = "Not found."
    return JSONResponse({"detail": said}, error.status_code, error.headers)


async def _wrong(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"detail": said}, 400)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "A server error occurred."}, 500)
