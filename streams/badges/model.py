"""What comes in and what goes out: activities of learners, decisions about badges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeVar, dataclass_transform
from uuid import UUID, uuid5

T = TypeVar("T")

Kind = Literal["awarded", "revoked"]
Ordered = Literal["award", "revoke"]
Note = Sequence[str]
"""By whom and why something was ordered."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A class of values: equal by their fields, hashable, never assigned to.

    Only the type checker forbids the assignment. With `frozen=True` Python would forbid it too, but making a
    value would cost four times as much, and each activity makes several: that was 7 % of the tracker's
    processor time.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)  # decision 0016


@value
class Source:
    """Where the original record lies. A higher `epoch` says that the topic was recreated: offsets restart."""

    topic: str
    partition: int
    offset: int
    epoch: int = 0


@value
class User:
    """What an event says about its learner; `id` is the LMS user id."""

    id: int
    is_active: bool
    username: str
    email: str
    name: str


@value
class Activity:
    """One decoded Open edX event; `time` has a time zone, `data` is what the payload's only field holds.

    `catch_up` is for one of the past that is given again: the ids of the templates that see it, or True for
    all.
    """

    type: str
    id: str
    time: datetime
    source: Source
    learner: int
    data: Mapping[str, Any]
    user: User | None = None
    catch_up: bool | frozenset[str] = False


@value
class Order:
    """An operator's order to award or revoke one template's badge of one learner; `time` has a time zone."""

    order: Ordered
    template: str
    learner: int
    id: str
    time: datetime
    user: User | None = None
    note: Note | None = None


@value
class Brought:
    """What another service knew of one template and a learner.

    `fulfilled` are requirements; `awarded` and `revoked` say when its badge was, if it ever was. `reset` are
    requirements that only what happens after the revocation fulfils.
    """

    fulfilled: tuple[str, ...] = ()
    awarded: datetime | None = None
    revoked: datetime | None = None
    reset: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the learner held the badge there."""
        return self.awarded is not None and self.revoked is None


@value
class Import:
    """An order to take along what another service knew of a learner, by template; it decides nothing.

    `id` is the same for the same content, `time` is that of the import.
    """

    learner: int
    id: str
    time: datetime
    templates: Mapping[str, Brought]
    user: User | None = None


@value
class Decision:
    """A badge awarded or revoked.

    `time` and `activity` are those of the activity, or of the order, that caused it. `because` holds the ids
    of everything that counted for it: activities, and decisions about required badges. `catalog` is the
    revision of the catalog that it was made under, `note` what the order that caused it says of itself.
    """

    kind: Kind
    template: str
    learner: int
    generation: int
    badge: UUID
    id: UUID
    time: datetime
    activity: str
    because: tuple[str, ...]
    catalog: str = field(default="", compare=False)
    note: Note | None = field(default=None, compare=False)


def badge_id(template: str, learner: int) -> UUID:
    """The id of the badge of a template and a learner, the same in every generation."""
    return uuid5(_namespace(template), str(learner))  # decision 0017


def decision_id(badge: UUID, kind: Kind, generation: int) -> UUID:
    """The decision's id: whoever makes the decision again gives it the same one."""
    return uuid5(badge, f"{kind}:{generation}")


_namespace = lru_cache(maxsize=1024)(UUID)  # a third of the time went to parsing the same few
