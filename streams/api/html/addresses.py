"""The pages' addresses: a learner's own, the piece of it that the LMS's dashboard shows, and their style."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, RedirectResponse

from streams.api.access import Asking
from streams.api.asked import Known, Languages
from streams.api.forms import SAYS_FROM, proof
from streams.api.html.languages import spoken
from streams.api.html.learner import Shown, shown
from streams.api.html.login import leading_back
from streams.api.html.offers import Offers
from streams.api.html.rendering import rendered, style
from streams.api.languages import accepted
from streams.api.negotiation import preferred
from streams.api.view import View
from streams.badges import Progress

HOME = "/badges/"
FRAGMENT = f"{HOME}fragment/"
STYLES = f"{HOME}style/"
POLICY = "default-src 'none'; style-src 'self'; img-src https: data:; base-uri 'none'; form-action 'none'"
"""No script, whoever wrote it; badges' pictures are where their issuers have them, our own in the style."""
FORMS = SAYS_FROM | {
    "Content-Security-Policy": POLICY.replace("form-action 'none'", "form-action 'self'")
    + "; frame-ancestors 'none'"
}
"""Of a page with forms."""
YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class Sharing:
    """By what a learner lets everybody see a badge: the form's proof, and the links that she has given."""

    proof: str
    links: Mapping[str, str]


class Page(APIRoute):
    """Says as a page why there is no other; who is not recognized is led back to `home`."""

    home, fault = HOME, "fault.html"

    def _wanted(self, request: Request) -> bool:
        return True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                if not self._wanted(request):
                    raise
                return self._fault(request, 400)
            except HTTPException as fault:
                if not self._wanted(request):
                    raise
                return self._fault(request, fault.status_code, fault.headers)

        return handled

    def _fault(self, request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
        asked = (request.query_params.get("lang"), request.headers.get("accept-language"))
        language = spoken([tag for said in asked for tag in accepted(said)])
        login = leading_back(request.app.state.login, request.url.replace(path=self.home))
        values = {"status": status, "login": login, "mine": request.url.path in (HOME, FRAGMENT)}
        return page(self.fault, language, values, status, headers)


class ForBrowsers(Page):
    """Does so for browsers; programs ask the same address."""

    def _wanted(self, request: Request) -> bool:
        return preferred(request.headers.get("accept"), {"text/html": "html"}, "") == "html"


def pages(origins: Sequence[str]) -> APIRouter:
    """The pages; `origins` are those that may show the fragment in a frame."""
    router = APIRouter(route_class=Page, include_in_schema=False)
    frames = " ".join(("'self'", *origins))
    offers = Offers()
    framed = {"Content-Security-Policy": f"{POLICY}; frame-ancestors {frames}"}

    @router.get(HOME.rstrip("/"))
    async def without_its_slash() -> Response:
        return RedirectResponse(HOME, 308)

    @router.get(HOME)
    async def learner(request: Request, view: Known, caller: Asking, languages: Languages) -> Response:
        language, shown = spoken(languages), _shown(view, caller.user_id, languages)
        every = offers.of(view.document, view.active, language, [*languages, "en"])
        sharing = _sharing(request, view, caller.user_id)
        values = {"shown": shown, "offers": [every[id] for id in shown.others], "sharing": sharing}
        return page("learner.html", language, values, headers=FORMS if sharing else None)

    @router.get(FRAGMENT)
    async def fragment(view: Known, caller: Asking, languages: Languages) -> Response:
        values = {"shown": _shown(view, caller.user_id, languages), "home": HOME}
        return page("fragment.html", spoken(languages), values, headers=framed)

    @router.get(f"{STYLES}{{name}}")
    async def styles(name: str) -> Response:
        current, text = style()
        if name != current:
            raise HTTPException(404)
        # Its name changes with it, and it is about nobody.
        headers = {"Cache-Control": f"public, max-age={YEAR}, immutable", "Vary": "Accept-Encoding"}
        return Response(text, media_type="text/css", headers=headers)

    return router


def _sharing(request: Request, view: View, learner: int | None) -> Sharing | None:
    """None where the site has no pages for everybody, or nowhere to keep who wants them."""
    if learner is None or not (request.app.state.shares and view.following.consents):
        return None
    consents = view.questions.consents(learner)
    return Sharing(proof(request), {badge: consent.link for badge, consent in consents.items()})


def _shown(view: View, learner: int | None, languages: Sequence[str]) -> Shown:
    """The learner's own: administrators see others elsewhere."""
    if learner is None:
        raise HTTPException(403, "The token names no user_id.")
    known, _ = view.questions.learner(learner)
    issued = view.questions.issuances(learner) if known else {}
    return shown(
        view.document, view.active, learner, known or Progress.initial(), issued, view.now, [*languages, "en"]
    )


def page(
    template: str,
    language: str,
    values: dict[str, object],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page out of a template, with what all pages have."""
    text = rendered(template, language, {"style": STYLES + style()[0]} | values)
    given = {"Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'", "Content-Language": language}
    return HTMLResponse(text, status, given | dict(headers or {}))
