"""From what is known of a learner to what her page shows. Pure: time is an argument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from streams.api import answers, models
from streams.badges import Compiled, Progress
from streams.catalog import CatalogDocument
from streams.catalog.document import OpenBadgesOrganization
from streams.relay.issuance import Issuance


@dataclass(frozen=True, slots=True)
class Step:
    """A requirement as a learner reads it; `left`: how many activities it still takes."""

    text: str
    fulfilled: bool
    counted: int
    count: int

    @property
    def left(self) -> int:
        """At least 1 where it is not fulfilled: what was counted may be outside its window."""
        return 0 if self.fulfilled else max(1, self.count - self.counted)


@dataclass(frozen=True, slots=True)
class Group:
    """Steps of which `at_least` are needed."""

    at_least: int
    fulfilled: bool
    steps: Sequence[Step]

    @property
    def choice(self) -> bool:
        """Whether fewer than all are needed."""
        return self.at_least < len(self.steps)

    @property
    def share(self) -> float:
        """How much of it is done, by the steps that are the nearest."""
        if self.fulfilled:
            return 1.0
        parts = sorted(1.0 if one.fulfilled else min(1.0, one.counted / one.count) for one in self.steps)
        return sum(parts[-self.at_least :]) / self.at_least


@dataclass(frozen=True, slots=True)
class Path:
    """The way to a badge; `missing`: how many activities it takes at least."""

    template: models.TemplateSummary
    missing: int
    groups: Sequence[Group]

    @property
    def percent(self) -> int:
        """How far she is; 100 only at the end."""
        if all(group.fulfilled for group in self.groups):
            return 100
        return min(99, int(100 * sum(group.share for group in self.groups) / len(self.groups)))

    @property
    def next(self) -> Step | None:
        """The nearest step of the first group that lacks one."""
        group = next((group for group in self.groups if not group.fulfilled), None)
        open_steps = [step for step in group.steps if not step.fulfilled] if group else []
        return min(open_steps, key=lambda step: step.left, default=None)


@dataclass(frozen=True, slots=True)
class Links:
    """Where a badge is taken (decision 0097): to its page; of our own issuer also files, and LinkedIn."""

    page: str
    picture: str = ""
    wallet: str = ""
    linkedin: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A learner's page: badges that she has and had, those to claim at `issuer`, ways that she has begun.

    `links` are those of badges that their issuer shows, by badge; `others` the ids of templates that she has
    not begun, as everybody has not.
    """

    name: str
    badges: Sequence[models.Badge]
    former: Sequence[models.Badge]
    claims: Sequence[tuple[models.Badge, str]]
    links: Mapping[str, Links]
    begun: Sequence[Path]
    others: Sequence[str]


def shown(
    document: CatalogDocument,
    active: Sequence[Compiled],
    learner: int,
    known: Progress,
    issued: Mapping[str, Issuance],
    now: int,
    languages: Sequence[str],
) -> Shown:
    """All that the page of a learner shows."""
    badges = answers.badges(document, learner, known, issued, now)
    held = [badge for badge in badges if badge.state == "held"]
    has = {badge.template.id for badge in held}
    begun = sorted(answers.begun(document, known), key=lambda one: answers.rank(document, one, known, now))
    seen = {one.id for one in begun} | has
    found = (answers.progress(document, one, known, now, languages) for one in begun if one.id not in has)
    return Shown(
        name=known.user.name or known.user.username if known.user else "",
        badges=held,
        former=[badge for badge in badges if badge.state != "held"],
        claims=[(badge, _issuer(document, badge)) for badge in held if badge.issuer.state == answers.PENDING],
        links={badge.id: _links(document, badge, badge.issuer.url) for badge in held if badge.issuer.url},
        begun=[_path(document, one) for one in found],
        others=[one.id for one in active if one.id not in seen],
    )


def not_begun(document: CatalogDocument, compiled: Compiled, languages: Sequence[str]) -> Path:
    """The way to a badge as it is for everybody who has not begun it."""
    return _path(document, answers.progress(document, compiled, Progress.initial(), 0, languages))


def _issuer(document: CatalogDocument, badge: models.Badge) -> str:
    template = document.templates.get(badge.template.id)
    return document.organizations[template.organization].provider.capitalize() if template else ""


def _links(document: CatalogDocument, badge: models.Badge, page: str) -> Links:
    organization = document.organizations[document.templates[badge.template.id].organization]
    if not isinstance(organization, OpenBadgesOrganization):
        return Links(page)
    return Links(page, f"{page}.png", f"{page}.json", _linkedin(badge, organization.name, page))


def _linkedin(badge: models.Badge, issuer: str, page: str) -> str:
    """LinkedIn's form for a certificate, filled in; she looks at it there before anything is saved."""
    asked: dict[str, str | int | None] = {
        "startTask": "CERTIFICATION_NAME",
        "name": badge.template.name,
        "organizationName": issuer,
        "certUrl": page,
        "certId": badge.issuer.id,
    }
    for word, moment in (("issue", badge.awarded_at), ("expiration", badge.expires_at)):
        if moment:
            day = datetime.fromisoformat(moment)
            asked |= {f"{word}Year": day.year, f"{word}Month": day.month}
    return f"https://www.linkedin.com/profile/add?{urlencode(asked)}"


def _path(document: CatalogDocument, progress: models.Progress) -> Path:
    groups = [
        Group(group.at_least, group.fulfilled, [_step(document, one) for one in group.requirements])
        for group in progress.groups
    ]
    return Path(progress.template, progress.missing, groups)


def _step(document: CatalogDocument, requirement: models.RequirementProgress) -> Step:
    text = requirement.text
    if text is None and requirement.template is not None:
        text = answers.summary(document, requirement.template).name
    return Step(
        text or requirement.id,
        requirement.fulfilled,
        min(requirement.counted, requirement.count),
        requirement.count,
    )
