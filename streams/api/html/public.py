"""A badge's page for everybody who has its link (decision 0093), and where its learner makes it."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from streams.api import answers, models
from streams.api.access import Asking
from streams.api.asked import Known, Languages
from streams.api.consents import Consents, NotKeptError
from streams.api.forms import fields, is_proven
from streams.api.html.addresses import HOME, Page, page
from streams.api.html.languages import spoken
from streams.api.view import View
from streams.badges import badge_id, is_held

SHARE = f"{HOME}share/"
PUBLIC = f"{HOME}public/"
HEADERS = {"X-Robots-Tag": "noindex, nofollow"}
Link = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


@dataclass(frozen=True, slots=True)
class Public:
    """A badge that is held, and by whom."""

    badge: models.Badge
    learner: str
    organization: str


def public(consents: Consents) -> APIRouter:
    """The page of a badge, and the address of the form on her page."""
    router = APIRouter(route_class=Page, include_in_schema=False)

    @router.post(SHARE)
    async def share(view: Known, caller: Asking, request: Request) -> Response:
        if caller.user_id is None:
            raise HTTPException(403)
        form = await fields(request)
        # A form of before her last login changes nothing, and leads to one that does.
        if is_proven(request, form.get("proof", "")):
            await _taken(consents, view, caller.user_id, _template(form), form.get("with", ""))
        return RedirectResponse(HOME, 303)

    @router.get(f"{PUBLIC}{{link}}/")
    async def badge(view: Known, link: Link, languages: Languages) -> Response:
        if (shown := shown_under(view, link)) is None:
            raise HTTPException(404, headers=HEADERS)
        return page("public.html", spoken(languages), {"shown": shown}, headers=HEADERS)

    return router


def shown_under(view: View, link: str) -> Public | None:
    """What is shown under a link: a badge while it is held, and its learner has not been forgotten since."""
    consent = view.questions.consent(link)
    if consent is None:
        return None
    known, forgotten = view.questions.learner(consent.learner)
    declared = view.document.templates.get(consent.template)
    held = known.badge(consent.template) if known else None
    if known is None or held is None or declared is None or consent.at <= (forgotten or 0):
        return None
    if not is_held(view.document.compiled, consent.template, held, view.now):
        return None
    badge = answers.badge(view.document, consent.learner, consent.template, held, {}, view.now)
    name = known.user.name if known.user else ""
    return Public(badge, name or "", view.document.organizations[declared.organization].name)


async def _taken(consents: Consents, view: View, learner: int, template: str, shared: str) -> None:
    """Follow what she says of a badge; raises 404 where it is not hers, 503 where it cannot be kept now."""
    try:
        match shared:
            case "everybody":
                known, _ = view.questions.learner(learner)
                held = known.badge(template) if known else None
                if held is None or not is_held(view.document.compiled, template, held, view.now):
                    raise HTTPException(404)
                await consents.give(view, learner, template)
            case "nobody":
                if str(badge_id(template, learner)) not in view.questions.consents(learner):
                    raise HTTPException(404)
                await consents.withdraw(view, learner, template)
            case _:
                raise HTTPException(400)
    except NotKeptError:
        raise HTTPException(503) from None


def _template(form: dict[str, str]) -> str:
    try:
        return str(UUID(form.get("template", "")))
    except ValueError:
        raise HTTPException(400) from None
