"""From what is stored and the catalog in force to what the API answers. Pure: time is an argument."""

from collections.abc import Iterable, Mapping, Sequence

from streams.api import models
from streams.api.questions import Counted
from streams.api.rows import HELD, REFUSED, REVOKED, WAITING, entries
from streams.badges import (
    AnyRequirement,
    Badge,
    BadgeRequirement,
    Compiled,
    Group,
    Progress,
    badge_id,
    is_fulfilled,
    is_held,
    latest,
    moment,
    stamp,
    standing,
)
from streams.badges.completeness import expiry
from streams.catalog import CatalogDocument, TemplateDeclaration
from streams.catalog.texts import in_language
from streams.clock import zulu
from streams.issuers.known import ISSUERS
from streams.operate.standing import standing_of, step_of
from streams.relay.issuance import Issuance, done

Languages = Sequence[str]
PENDING = "pending"
"""The issuer's word for a badge that its learner has not accepted yet."""
Texts = Mapping[str, str]
"""What a learner reads of requirements, by their ids."""


def time(stamp: int | None) -> str | None:
    """A moment as Open edX's services write it."""
    return None if stamp is None else zulu(moment(stamp))


def summary(document: CatalogDocument, template: str) -> models.TemplateSummary:
    """What is shown of a template wherever it is named."""
    declared = document.templates.get(template)
    if declared is None:
        return models.TemplateSummary(id=template, name=None, description=None, image_url=None)
    return models.TemplateSummary(
        id=template, name=declared.name, description=declared.description, image_url=declared.image_url
    )


def template(document: CatalogDocument, compiled: Compiled, languages: Languages) -> models.Template:
    """A template that is active."""
    declared = document.templates[compiled.id]
    organization = document.organizations[declared.organization]
    texts = _texts(declared, languages)
    return models.Template(
        **summary(document, compiled.id).model_dump(),
        criteria=in_language(declared.criteria, languages) if declared.criteria else None,
        organization=models.Organization(
            id=organization.id, name=organization.name, provider=organization.provider
        ),
        expires_after=_duration(declared),
        renewable=declared.renewable,
        groups=[
            models.Group(
                at_least=group.at_least,
                requirements=[_requirement(r, texts) for r in group.requirements],
            )
            for group in compiled.groups
        ],
    )


def progress(
    document: CatalogDocument, compiled: Compiled, known: Progress, now: int, languages: Languages
) -> models.Progress:
    """How far a learner is with a template that is active."""
    catalog, declared = document.compiled, document.templates[compiled.id]
    done_groups, groups = standing(catalog, compiled, known, now)

    texts = _texts(declared, languages)

    def named(_: TemplateDeclaration, requirement: str) -> str:
        return texts.get(requirement, requirement)

    standing_now = standing_of(document, compiled.id, known, named=named)
    assert standing_now is not None
    badge = known.badge(compiled.id)
    begun: models.State = "in_progress" if standing_now.begun else "not_begun"
    return models.Progress(
        template=summary(document, compiled.id),
        state=begun if badge is None else _state(document, compiled.id, badge, now),
        complete=done_groups == groups,
        groups_fulfilled=done_groups,
        groups_total=groups,
        missing=standing_now.missing,
        lacks=list(standing_now.lacks),
        groups=[_group(document, compiled, group, known, now, texts) for group in compiled.groups],
    )


def begun(document: CatalogDocument, known: Progress) -> list[Compiled]:
    """The active templates for which anything of a learner counts, also a badge that they require."""
    catalog = document.compiled
    of_badges = (catalog.dependents.get(id, ()) for id, badge in known.badges.items() if badge.held)
    turns = {turn for found in of_badges for turn in found}
    turns |= {catalog.turns[id] for id in entries(known) if id in catalog.turns}
    return [catalog.active[turn] for turn in sorted(turns)]


def rank(document: CatalogDocument, compiled: Compiled, known: Progress, now: int) -> tuple[bool, float, str]:
    """By what templates are listed to a learner: the unfinished first, and of those the nearest."""
    done_groups, groups = standing(document.compiled, compiled, known, now)
    held = is_held(document.compiled, compiled.id, known.badge(compiled.id), now)
    return held, -done_groups / groups, document.templates[compiled.id].name


def badges(
    document: CatalogDocument, learner: int, known: Progress, issued: Mapping[str, Issuance], now: int
) -> list[models.Badge]:
    """All badges of a learner, the newest award first."""
    found = sorted(known.badges.items(), key=lambda item: (-item[1].awarded, item[0]))
    return [badge(document, learner, template, one, issued, now) for template, one in found]


def badge(
    document: CatalogDocument,
    learner: int,
    template: str,
    known: Badge,
    issued: Mapping[str, Issuance],
    now: int,
) -> models.Badge:
    """A learner's badge of a template."""
    id = str(badge_id(template, learner))
    return models.Badge(
        id=id,
        template=summary(document, template),
        state=_state(document, template, known, now),
        generation=known.generation,
        awarded_at=time(known.awarded) or "",
        revoked_at=time(known.revoked),
        expires_at=time(_expires(document, template, known)),
        issuer=_at_issuer(document, template, issued.get(id), str(latest(known, template, learner).id)),
    )


def learner(id: int, known: Progress | None) -> models.Learner:
    """A learner, as an event named them last."""
    user = known.user if known else None
    return models.Learner(
        lms_user_id=id, username=user.username if user else None, name=user.name if user else None
    )


def counts(
    document: CatalogDocument,
    compiled: Compiled,
    counted: Iterable[Counted],
    stages: Mapping[int, int],
) -> models.Counts:
    """How many learners are how far with a template; a required badge counts as missing."""
    badges, groups = {HELD: 0, REVOKED: 0}, [0] * (len(compiled.groups) + 1)
    total = 0
    for one in counted:
        total += one.learners
        badges[one.badge] = badges.get(one.badge, 0) + one.learners
        groups[sum(is_met(group, one.fulfilled) for group in compiled.groups)] += one.learners
    return models.Counts(
        template=summary(document, compiled.id),
        held=badges[HELD],
        revoked=badges[REVOKED],
        begun=total,
        groups_total=len(compiled.groups),
        histogram=[models.Share(groups_fulfilled=n, learners=learners) for n, learners in enumerate(groups)],
        waiting=stages.get(WAITING, 0),
        refused=stages.get(REFUSED, 0),
    )


def is_met(group: Group, fulfilled: frozenset[str]) -> bool:
    """Whether these requirements are enough for a group."""
    return sum(requirement.id in fulfilled for requirement in group.requirements) >= group.at_least


def _state(document: CatalogDocument, template: str, badge: Badge, now: int) -> models.State:
    if not badge.held:
        return "revoked"
    return "held" if is_held(document.compiled, template, badge, now) else "expired"


def _expires(document: CatalogDocument, template: str, badge: Badge) -> int | None:
    """When a badge expires, also one that cannot be earned again then."""
    declared = document.templates.get(template)
    if declared is None or declared.expires_after is None:
        return expiry(document.compiled, template, badge)
    try:
        return stamp(declared.expires_after.after(moment(badge.awarded)))
    except OverflowError:
        return None


def _at_issuer(
    document: CatalogDocument, template: str, issuance: Issuance | None, decision: str
) -> models.AtIssuer:
    if issuance is None:
        return models.AtIssuer(state="unknown", id=None, url=None, answered_at=None)
    if issuance.refused:
        state = "refused"
    elif not done(issuance) or issuance.decision != decision:
        state = "waiting"
    else:
        state = issuance.state or "revoked"
    at = zulu(issuance.answered_at) if issuance.answered_at else None
    url = _page(document, template, issuance.held, state)
    return models.AtIssuer(state=state, id=issuance.held, url=url, answered_at=at)


def _page(document: CatalogDocument, template: str, badge: str | None, state: str) -> str | None:
    """Where the issuer shows a badge; not before its learner has accepted it."""
    declared = document.templates.get(template)
    if declared is None or badge is None or state == PENDING:
        return None
    organization = document.organizations[declared.organization]
    issuer = ISSUERS[organization.provider]
    if state not in issuer.traits.held:
        return None
    return issuer.page(organization.id, organization.service, organization.url, badge) or None


def _group(
    document: CatalogDocument, compiled: Compiled, group: Group, known: Progress, now: int, texts: Texts
) -> models.GroupProgress:
    steps = [_step(document, compiled, r, known, now, texts) for r in group.requirements]
    fulfilled = sum(step.fulfilled for step in steps) >= group.at_least
    return models.GroupProgress(at_least=group.at_least, fulfilled=fulfilled, requirements=steps)


def _step(
    document: CatalogDocument,
    compiled: Compiled,
    requirement: AnyRequirement,
    known: Progress,
    now: int,
    texts: Texts,
) -> models.RequirementProgress:
    step = step_of(document, compiled, requirement, known)
    fulfilled = is_fulfilled(document.compiled, compiled, requirement, known, now)
    if of_badge := isinstance(requirement, BadgeRequirement):
        badge = known.badge(requirement.template)
        at = badge.awarded if badge is not None and fulfilled else None
    else:
        state = known.requirement(compiled.id, requirement.id)
        at = state.moment if state is not None else None
    return models.RequirementProgress(
        id=requirement.id,
        text=texts.get(requirement.id),
        count=step.wanted,
        template=_required(requirement),
        fulfilled=fulfilled,
        fulfilled_at=time(at),
        counted=step.there if fulfilled or not of_badge else 0,
        values=list(step.values),
    )


def _requirement(requirement: AnyRequirement, texts: Texts) -> models.Requirement:
    count = 1 if isinstance(requirement, BadgeRequirement) else requirement.count
    text = texts.get(requirement.id)
    return models.Requirement(id=requirement.id, text=text, count=count, template=_required(requirement))


def _required(requirement: AnyRequirement) -> str | None:
    """The template whose badge the requirement is for."""
    return requirement.template if isinstance(requirement, BadgeRequirement) else None


def _duration(declared: TemplateDeclaration) -> str | None:
    """As ISO 8601 has it."""
    if (lasts := declared.expires_after) is None:
        return None
    seconds = lasts.exact.seconds + lasts.exact.microseconds / 1_000_000
    text = f"{lasts.months}M" * bool(lasts.months) + f"{lasts.exact.days}D" * bool(lasts.exact.days)
    return f"P{text}" + f"T{seconds:g}S" * bool(seconds or not text)


def _texts(declared: TemplateDeclaration, languages: Languages) -> Texts:
    return {r.id: in_language(r.text, languages) for r in declared.requirements if r.text is not None}
