"""The catalog document, declared: which keys there are, what they may hold and what they mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from streams.badges import Operator, Part, Repeats
from streams.catalog.document_types import (
    UUID_PATTERN,
    Calendar,
    DottedPath,
    Endpoint,
    Exact,
    ExternalId,
    ForLearners,
    Moment,
    Name,
    Url,
    Uuid,
)


def _version(value: object) -> object:
    if type(value) is not int:  # true and 1.0 equal 1 in Python
        raise ValueError("must be 1")
    return value


def _no_inline_secret(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("must be {env: NAME} or {file: PATH}, never the secret itself")
    return value


def _path(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("must hold no NUL")
    return path


def _distinct(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class ExternalIds:
    """How a provider's ids of templates look, and what is said of one that does not.

    `required`: a template's own UUID is none of them.
    """

    form: re.Pattern[str] = re.compile(r"\S+")
    otherwise: str = ""
    required: bool = False


class _ByProvider:
    """One of several kinds of organization, by `provider`."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Not `Field(discriminator=...)`, which takes no union of one, and no member by default.
        kinds = {provider: handler.generate_schema(kind) for provider, kind in ORGANIZATIONS.items()}
        return core_schema.tagged_union_schema(kinds, provider_of)


def provider_of(organization: object) -> str:
    """The provider of a declared organization; Credly was the only one when catalogs began to be written."""
    provider = organization.get("provider", "credly") if isinstance(organization, dict) else "credly"
    return provider if isinstance(provider, str) else ""


_SCALAR = {"type": ["string", "boolean", "number"]}
_VALUE = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}


class _Declared(BaseModel):
    # Most are read as parts of another, which then has no use for a validator of theirs.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class Secret(_Declared):
    """Where to read a secret; never the secret itself."""

    env: Name | None = Field(None, description="Name of the environment variable that holds it.")
    file: Annotated[Path, AfterValidator(_path)] | None = Field(
        None, description="File of the keys' directory that holds it; read again when it changes."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("must be {env: NAME} or {file: PATH}")
        return self


ApiKey = Annotated[Secret, BeforeValidator(_no_inline_secret)]


class CredlyOrganization(_Declared):
    """An organization at Credly."""

    external_ids: ClassVar[ExternalIds] = ExternalIds(
        re.compile(UUID_PATTERN), "must be a UUID, as all ids of this provider are"
    )

    id: Uuid = Field(description="Credly's UUID of the organization.")
    name: str = Field("", description="For people.")
    provider: Literal["credly"] = Field("credly", description="Who issues its badges.")
    environment: Literal["production", "sandbox"] = Field(
        "production", description="Which of the provider's services."
    )
    url: Url | None = Field(
        None, description="In place of `environment`: a simulator or proxy, without a path."
    )
    api_key: ApiKey | None = Field(None, description="The provider's key; only the relay needs it.")
    auth: Literal["token", "oauth2"] = Field(
        "token", description="With `oauth2` the key is a client's id and secret with a colon between."
    )

    @property
    def grants(self) -> bool:
        """Whether its key is exchanged for a token that calls are made with."""
        return self.auth == "oauth2"

    @property
    def service(self) -> str:
        """Which of the provider's services it is at."""
        return self.environment

    @property
    def key(self) -> Secret | None:
        """Where its key is."""
        return self.api_key


class AccredibleOrganization(_Declared):
    """An account, or a department of one, at Accredible."""

    grants: ClassVar[bool] = False
    external_ids: ClassVar[ExternalIds] = ExternalIds(
        re.compile(r"[1-9][0-9]{0,17}"), "must be the number of a group", required=True
    )

    id: Uuid = Field(description="A UUID of your own: Accredible has none for an account.")
    name: str = Field("", description="For people.")
    provider: Literal["accredible"] = Field(description="Who issues its badges.")
    region: Literal["us", "eu", "sandbox"] = Field("us", description="Where the account is.")
    url: Url | None = Field(None, description="In place of `region`: a simulator or proxy, without a path.")
    api_key: ApiKey | None = Field(None, description="The provider's key; only the relay needs it.")

    @property
    def service(self) -> str:
        """Which of the provider's services it is at."""
        return self.region

    @property
    def key(self) -> Secret | None:
        """Where its key is."""
        return self.api_key


class WebhookOrganization(_Declared):
    """A service of yours that is told of each badge by a signed message."""

    grants: ClassVar[bool] = False
    external_ids: ClassVar[ExternalIds] = ExternalIds()

    id: Uuid = Field(description="A UUID of your own.")
    name: str = Field("", description="For people.")
    provider: Literal["webhook"] = Field(description="Who issues its badges.")
    url: Endpoint = Field(description="Where the messages go; its host must be one of BADGES_ISSUER_HOSTS.")
    secret: ApiKey | None = Field(
        None,
        description="By which they are signed: `whsec_…`, or several with blanks; only the relay needs it.",
    )

    @property
    def service(self) -> str:
        """It has but one."""
        return ""

    @property
    def key(self) -> Secret | None:
        """Where its secret is."""
        return self.secret


class OpenBadgesOrganization(_Declared):
    """An issuer of your own, whose Open Badges the relay signs."""

    external_ids: ClassVar[ExternalIds] = ExternalIds()
    grants: ClassVar[bool] = False

    id: Uuid = Field(description="A UUID of your own.")
    name: Name = Field(description="Who issues: people read it in each badge.")
    provider: Literal["open_badges"] = Field(description="Who issues its badges.")
    url: Endpoint = Field(
        description="Where the API serves its badges to everybody; the issuer's `did:web` is made of it, and "
        "it stays the same for as long as a badge is to be verified."
    )
    signing_key: ApiKey | None = Field(
        None,
        description="Its Ed25519 key, in PEM, or its public half where a command signs; only the relay needs "
        "it. Another one may follow it.",
    )
    jwt: StrictBool = Field(
        True, description="Whether badges are signed as JWTs, too: twice the signatures, of longer texts."
    )

    @property
    def service(self) -> str:
        """It has but one."""
        return ""

    @property
    def key(self) -> Secret | None:
        """Where its key is."""
        return self.signing_key


ORGANIZATIONS: Mapping[
    str,
    type[CredlyOrganization]
    | type[AccredibleOrganization]
    | type[OpenBadgesOrganization]
    | type[WebhookOrganization],
] = {
    "credly": CredlyOrganization,
    "accredible": AccredibleOrganization,
    "open_badges": OpenBadgesOrganization,
    "webhook": WebhookOrganization,
}
"""The kinds of organization by provider; their union is the type of one."""
Organization = Annotated[
    CredlyOrganization | AccredibleOrganization | OpenBadgesOrganization | WebhookOrganization, _ByProvider()
]


class RuleDeclaration(_Declared):
    """A data rule: compares the value at a path of the event with a given one."""

    path: DottedPath = Field(description="Relative to the payload, like `course.course_key`.")
    operator: Operator = Field(description="How to compare.")
    value: Annotated[Any, WithJsonSchema(_VALUE)] = Field(
        None, description="For `in` and `not_in` a list; for `exists` true unless given."
    )
    part: Part | None = Field(None, description="Of the Open edX key at the path, this part in its place.")


class DistinctDeclaration(_Declared):
    """By what matches must differ."""

    path: DottedPath = Field(description="Relative to the payload, like `course.course_key`.")
    part: Part | None = Field(None, description="Of the Open edX key at the path, this part in its place.")


Distinct = Annotated[
    DistinctDeclaration, BeforeValidator(_distinct, json_schema_input_type=DottedPath | DistinctDeclaration)
]


class _Condition(_Declared):
    id: Name = Field(description="Unique in the template; progress is kept by it.")
    event_type: Name | None = Field(None, description="An Open edX event that names a learner.")
    event_types: tuple[Name, ...] = Field((), description="In place of `event_type`: two or more.")
    rules: tuple[RuleDeclaration, ...] = Field(
        (), description="All must hold; none: every event of the type."
    )
    since: Moment | None = Field(None, description="Only activities at or after this time match.")
    until: Moment | None = Field(None, description="Only activities before this time match.")

    @property
    def types(self) -> tuple[str, ...]:
        """The event types, one or several."""
        return self.event_types if self.event_type is None else (self.event_type,)


class RequirementDeclaration(_Condition):
    """What a learner must do, or which badge to hold."""

    text: ForLearners | None = Field(
        None, description="What a learner reads of it: a text, or one for each language, `{en: …, de: …}`."
    )
    group: Name | None = Field(None, description="Requirements of one group are alternatives.")
    count: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(1, description="How many different activities.")
    distinct: Distinct | None = Field(
        None, description="`count` counts different values at this path instead."
    )
    within: Exact | None = Field(None, description="What counts must lie within a window of this length.")
    repeats: Repeats | None = Field(
        None,
        description="With `distinct` and `within`: which match of a value stands for it, unless the `first`.",
    )
    after: Name | None = Field(
        None, description="Only activities at or after the fulfilment of this requirement match."
    )
    no_later_than: Exact | None = Field(
        None, description="With `after`: and at most this long after it, like P14D."
    )


class PenaltyDeclaration(_Condition):
    """What makes fulfilled requirements unfulfilled."""

    resets: tuple[Name, ...] = Field(
        (), description="Ids of requirements of this template that lose all that they have."
    )
    withdraws: tuple[Name, ...] = Field(
        (), description="Ids of those that lose one value: the one at their `distinct` in this event."
    )


class GroupDeclaration(_Declared):
    """How many requirements of a group are needed."""

    at_least: Annotated[StrictInt, Field(ge=1)] = Field(1, description="At most the group's size.")


class Notify(_Declared):
    """Whether the provider writes e-mails to the earner."""

    award: StrictBool = True
    revoke: StrictBool = False


class TemplateDeclaration(_Declared):
    """A badge template and its conditions."""

    id: Uuid = Field(description="The template's own UUID, of which badge ids and events are made.")
    external_id: ExternalId | None = Field(
        None, description="What the provider calls the template, if not by `id`."
    )
    organization: Uuid = Field(description="The id of one of `organizations`.")
    name: Name = Field(description="The badge's name.")
    description: str | None = Field(None, description="What it is awarded for.")
    criteria: ForLearners | None = Field(
        None, description="What a learner has to do for it, in words: a text, or one for each language."
    )
    image_url: str | None = Field(None, description="The badge's picture.")
    active: StrictBool = Field(True, description="Inactive templates are ignored by the engine.")
    revocable: StrictBool = Field(True, description="If false, a penalty never revokes the badge.")
    notify: Notify = Field(Notify(), description="The provider's e-mails to the earner.")
    expires_after: Calendar | None = Field(
        None, description="How long a badge is valid; may have years and months."
    )
    renewable: StrictBool = Field(
        False, description="With `expires_after`: may be earned again once it has expired."
    )
    evidence: StrictBool = Field(
        False, description="The issuer is told what counted for the badge: requirements, dates, courses."
    )
    requirements: Annotated[tuple[RequirementDeclaration, ...], Field(min_length=1)] = Field(
        description="All are required; of a group, only its `at_least`."
    )
    groups: dict[str, GroupDeclaration] = Field({}, description="By name of the group.")
    penalties: tuple[PenaltyDeclaration, ...] = Field((), description="What resets requirements.")

    @property
    def id_at_provider(self) -> str:
        """What the provider calls the template."""
        return self.external_id or self.id


class Declaration(_Declared):
    """All badge templates and the organizations that issue them."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="Of this format.")
    organizations: tuple[Organization, ...] = Field((), description="Who issues the badges.")
    templates: tuple[TemplateDeclaration, ...] = Field((), description="The badge templates.")
