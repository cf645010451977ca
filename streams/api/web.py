"""The API as an application: its addresses together, and how it says what is wrong (decision 0077)."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from streams.api import learners, open_badges, staff
from streams.api.access import Access
from streams.api.consents import Consents
from streams.api.html.addresses import pages
from streams.api.html.public import public
from streams.api.limits import Limit
from streams.api.manners import LAG, Manners
from streams.api.pictures import Pictures, from_the_web
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE
from streams.api.view import View

ROOT = "/badges/api/v1"
SHOWN = {
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`JWT` and the LMS's token.",
    },
    "cookie": {"type": "apiKey", "in": "cookie", "name": HEADER_PAYLOAD},
    "signature": {"type": "apiKey", "in": "cookie", "name": SIGNATURE},
}
"""How a request shows the LMS's token: in a header, or as a browser does in the pair of cookies."""


def application(
    view: View,
    access: Access,
    origins: Sequence[str],
    addresses: Limit,
    more: Sequence[APIRouter] = (),
    login: str = "",
    pictures: Pictures | None = None,
    consents: Consents | None = None,
) -> ASGIApp:
    """The whole of it; `origins` are the pages elsewhere that a browser may show answers to.

    `more` are addresses besides the API's; `login` is the page where a learner logs in;
    `pictures` has the badges' pictures; `consents` keeps which badges everybody may see, None where there
    are no pages for everybody.
    """
    app = FastAPI(
        title="Badges",
        version="1",
        summary="Badge templates, and learners' progress and badges.",
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.view, app.state.access, app.state.login = view, access, login
    app.state.pictures = pictures or Pictures(from_the_web, view.clock)
    app.include_router(learners.router, prefix=ROOT)
    app.include_router(staff.router, prefix=ROOT)
    app.state.shares = consents is not None
    if consents is not None:
        app.include_router(public(consents))
    for router in (open_badges.router, pages(origins), *more):
        app.include_router(router)
    app.add_exception_handler(HTTPException, _refused)
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
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # as FastAPI's own documentation does
    return Manners(app, lambda: view.lag, addresses)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
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


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: without the answers that FastAPI alone would give, with how tokens are shown.

    FastAPI would have a dependency of each request for that, which takes longer than to look at the token.
    """
    document: dict[str, Any] = FastAPI.openapi(app)
    for path in document["paths"].values():
        responses = path["get"]["responses"]
        responses.pop("422", None)
        if "401" in responses:
            path["get"]["security"] = [{"header": []}, {"cookie": [], "signature": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    document["components"]["securitySchemes"] = SHOWN
    return document
