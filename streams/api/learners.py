"""The addresses for everybody, and for a learner about herself."""

from typing import Annotated

from fastapi import APIRouter, Query

from streams.api import answers, models
from streams.api.access import OfLearner
from streams.api.asked import Active, Known, Languages, protected, public
from streams.api.paging import Paged
from streams.badges import Progress

router = APIRouter()


@router.get("/templates/", responses=public(), tags=["for everybody"])
async def templates(view: Known, paged: Paged, languages: Languages) -> models.Page[models.Template]:
    """The badge templates that learners can earn, by name."""
    document, active = view.document, view.active
    shown = [answers.template(document, one, languages) for one in paged.cut(active)]
    return paged.of(len(active), shown)


@router.get("/templates/{template}/", responses=public(), tags=["for everybody"])
async def template(view: Known, active: Active, languages: Languages) -> models.Template:
    """One badge template that learners can earn."""
    return answers.template(view.document, active, languages)


@router.get("/progress/", responses=protected(), tags=["about the caller"])
async def progress(
    view: Known,
    learner: OfLearner,
    paged: Paged,
    languages: Languages,
    everything: Annotated[bool, Query(alias="all", description="Also what is not begun.")] = False,
) -> models.Page[models.Progress]:
    """How far the caller is with each template that is begun: what is not held first, the nearest of it.

    With `all` those that are not begun follow, by name.
    """
    known, _ = view.questions.learner(learner)
    known = known or Progress.initial()
    document, now = view.document, view.now
    begun = answers.begun(document, known)
    listed = sorted(begun, key=lambda one: answers.rank(document, one, known, now))
    if everything:
        ids = {one.id for one in begun}
        listed += [one for one in view.active if one.id not in ids]
    shown = [answers.progress(document, one, known, now, languages) for one in paged.cut(listed)]
    return paged.of(len(listed), shown)


@router.get("/badges/", responses=protected(), tags=["about the caller"])
async def badges(view: Known, learner: OfLearner, paged: Paged) -> models.Page[models.Badge]:
    """The caller's badges, also those that were revoked: the newest award first."""
    known, _ = view.questions.learner(learner)
    if known is None:
        return paged.of(0, [])
    issued = view.questions.issuances(learner)
    shown = answers.badges(view.document, learner, known, issued, view.now)
    return paged.of(len(shown), paged.cut(shown))
