"""The addresses for administrators: about a template's learners, a learner's reasons, the site's numbers."""

from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from streams.api import answers, models
from streams.api.access import Staff
from streams.api.asked import Active, Known, Languages, TemplateId, protected
from streams.api.paging import Paged
from streams.api.questions import Questions
from streams.api.rows import HELD, LARGEST, REVOKED
from streams.badges import Progress
from streams.errors import ConfigurationError
from streams.operate.explain import Known as Explained
from streams.operate.explain import told
from streams.operate.waits import Waiting, Waits
from streams.operate.whereabouts import Issuances

router = APIRouter(responses=protected(), tags=["for administrators"])

STATES = {"held": (HELD, HELD), "revoked": (REVOKED, REVOKED), "all": (HELD, REVOKED)}


@router.get("/templates/{template}/holders/")
async def holders(
    view: Known,
    _: Staff,
    template: TemplateId,
    paged: Paged,
    state: Annotated[Literal["held", "revoked", "all"], Query(description="Of the badge.")] = "held",
) -> models.Page[models.Holder]:
    """Who holds a template's badge, or held it, by LMS user id; expired badges count as held."""
    badges, document, now = STATES[state], view.document, view.now

    def ask(questions: Questions) -> tuple[int, list[models.Holder]]:
        found = questions.learners(template, paged.limit, paged.offset, badges)
        shown = []
        for learner, known in found:
            if (badge := known.badge(template)) is not None:
                told_badge = answers.badge(
                    document, learner, template, badge, questions.issuances(learner), now
                )
                shown.append(models.Holder(learner=answers.learner(learner, known), badge=told_badge))
        return questions.count(template, badges), shown

    count, shown = await view.widely(ask)
    if not count and template not in document.templates:
        raise HTTPException(404, "Not found.")
    return paged.of(count, shown)


@router.get("/templates/{template}/progress/")
async def begun(
    view: Known, _: Staff, active: Active, paged: Paged, languages: Languages
) -> models.Page[models.LearnerProgress]:
    """Who has begun a template and how far they are: those without its badge first, each by LMS user id."""
    document, now = view.document, view.now

    def ask(questions: Questions) -> tuple[int, list[tuple[int, Progress]]]:
        return questions.count(active.id), questions.learners(active.id, paged.limit, paged.offset)

    count, found = await view.widely(ask)
    return paged.of(
        count,
        [
            models.LearnerProgress(
                learner=answers.learner(learner, known),
                progress=answers.progress(document, active, known, now, languages),
            )
            for learner, known in found
        ],
    )


@router.get("/learners/{learner}/explain/")
async def explain(
    view: Known,
    _: Staff,
    learner: Annotated[int, Path(ge=0, le=LARGEST, description="LMS user id.")],
    template: Annotated[UUID | None, Query(description="Only of this one.")] = None,
) -> models.Explanation:
    """Why a learner holds each badge, or not yet, and where it is."""
    names = await view.names_by_rules()
    progress, forgotten = view.questions.learner(learner)
    issued = Issuances(view.questions.issuances(learner), view.following.relay)
    known = Explained(learner, view.document, view.catalogs.revision, names, progress, forgotten, issued)
    try:
        lines = told(known, str(template) if template else None, view.now)
    except ConfigurationError:  # the catalog and the learner know no such template
        raise HTTPException(404, "Not found.") from None
    return models.Explanation(lms_user_id=learner, catalog=view.catalogs.revision, lines=lines)


@router.get("/counts/")
async def counts(view: Known, _: Staff, paged: Paged) -> models.Page[models.Counts]:
    """How many learners hold each template's badge and how far the others are, by the template's name."""
    document, active = view.document, view.active
    page = paged.cut(active)

    def ask(questions: Questions) -> list[models.Counts]:
        stages = questions.stages()
        return [
            answers.counts(document, one, questions.counted(one.id), stages.get(one.id, {})) for one in page
        ]

    return paged.of(len(active), await view.widely(ask))


@router.get("/waiting/")
async def waiting(view: Known, _: Staff, paged: Paged) -> models.Page[models.Waiting]:
    """What waits for the issuers, by organization: badges that they do not hold as desired."""

    def ask(questions: Questions) -> list[Waiting]:
        waits = Waits(view.document)
        for issuance in questions.open():
            waits.add(issuance)
        return waits.by_organization

    found = await view.widely(ask)
    return paged.of(len(found), [models.Waiting(**asdict(one)) for one in paged.cut(found)])
