"""What the API answers with, declared: the OpenAPI document is made of this."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-14T15:09:26Z"])]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(_Model, Generic[T]):
    """A page of a list; `next` and `previous` are the addresses of its neighbours."""

    count: int
    next: str | None
    previous: str | None
    results: list[T]


class Fault(_Model):
    """Why there is no other answer."""

    detail: str


class Organization(_Model):
    """Whose badges they are."""

    id: Uuid
    name: str
    provider: str


class TemplateSummary(_Model):
    """A badge template, as far as a badge's picture needs it; without a name it is in no catalog any more."""

    id: Uuid
    name: str | None
    description: str | None
    image_url: str | None


class Requirement(_Model):
    """A condition of a template. `text` is for learners, in a language that they asked for.

    `count`: how many activities, or different values, it takes. `template`: whose badge must be held.
    """

    id: str
    text: str | None
    count: int
    template: Uuid | None


class Group(_Model):
    """Of these requirements at least `at_least` are needed."""

    at_least: int
    requirements: list[Requirement]


class Template(TemplateSummary):
    """A badge template. `expires_after` is an ISO 8601 duration; `renewable`: it can be earned again then."""

    criteria: str | None
    organization: Organization
    expires_after: str | None
    renewable: bool
    groups: list[Group]


class RequirementProgress(Requirement):
    """How far a learner is: `counted` of `count`, and those of the values that are kept."""

    fulfilled: bool
    fulfilled_at: Time | None
    counted: int
    values: list[str]


class GroupProgress(_Model):
    """How far a learner is with a group."""

    at_least: int
    fulfilled: bool
    requirements: list[RequirementProgress]


State = Literal["not_begun", "in_progress", "held", "expired", "revoked"]


class Progress(_Model):
    """How far a learner is with a template.

    `state` is the badge's, where there is one. `missing` says how many activities are missing at least, and
    `lacks` in words what.
    """

    template: TemplateSummary
    state: State
    complete: bool
    groups_fulfilled: int
    groups_total: int
    missing: int
    lacks: list[str]
    groups: list[GroupProgress]


class AtIssuer(_Model):
    """Where a badge is at its issuer.

    `state`: `unknown` to the relay, `waiting` for a call, `refused`, or the issuer's own word: with Credly
    `pending` until the learner accepts it, `accepted`, `rejected`, `revoked`. `id` is the issuer's; `url` is
    where it shows the badge to everybody who knows the address, if that is known.
    """

    state: str
    id: str | None
    url: str | None
    answered_at: Time | None


class Badge(_Model):
    """A learner's badge of a template: its newest award, and what became of it."""

    id: Uuid
    template: TemplateSummary
    state: Literal["held", "expired", "revoked"]
    generation: int
    awarded_at: Time
    revoked_at: Time | None
    expires_at: Time | None
    issuer: AtIssuer


class Learner(_Model):
    """A learner, as an event named them last."""

    lms_user_id: int
    username: str | None
    name: str | None


class Holder(_Model):
    """A learner who holds a badge, or held it."""

    learner: Learner
    badge: Badge


class LearnerProgress(_Model):
    """A learner who has begun a template, and how far they are."""

    learner: Learner
    progress: Progress


class Share(_Model):
    """So many learners fulfil so many of a template's groups."""

    groups_fulfilled: int
    learners: int


class Counts(_Model):
    """How many learners hold a badge, held it, have begun it; how far they are, those without it too.

    `waiting` and `refused` are badges that their issuer does not hold, or still holds.
    """

    template: TemplateSummary
    held: int
    revoked: int
    begun: int
    groups_total: int
    histogram: list[Share]
    waiting: int
    refused: int


class Waiting(_Model):
    """The badges of an organization that its issuer does not hold as desired.

    `waits` will be tried, since `oldest`; of those `lacking` wait until more is known of the learner, and
    `withheld` are made at the issuer and not published; `refused` nobody tries any more. The organization
    `unknown` has templates that the catalog does not have.
    """

    organization: str
    waits: int
    oldest: str
    lacking: int
    refused: int
    withheld: int = 0


class Explanation(_Model):
    """Why a learner holds each badge, or not yet, and where it is: as `badge-streams explain` prints it."""

    lms_user_id: int
    catalog: str
    lines: list[str]
