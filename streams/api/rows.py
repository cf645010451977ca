"""What is stored of a changelog's record: its bytes as they are, and what makes it be found."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

import orjson

from streams.badges import Badge, Progress, State
from streams.errors import BadgeStreamsError
from streams.kafka.consents import Consent, consent_of
from streams.relay.issuance import done
from streams.relay.rows import load
from streams.tracker.rows import unpack

NONE, HELD, REVOKED = 0, 1, 2
"""A learner's badge of a template that was begun."""
DONE, WAITING, REFUSED = 0, 1, 2
"""A badge at its issuer: as desired, to be tried, or waiting for a person."""
LARGEST = 2**63 - 1
"""The largest id that a database gives, the LMS's and ours."""


class RowError(BadgeStreamsError):
    """A record that no row can be made of; the message holds no personal data."""


@dataclass(frozen=True, slots=True)
class Entry:
    """By what a learner is found under a template: the badge, and the requirements that are fulfilled."""

    badge: int
    fulfilled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """A learner's row, its entry under each template that was begun, and `names` by which it is found."""

    raw: bytes
    entries: Mapping[str, Entry]
    names: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class IssuanceRow:
    """A badge's row, and by what it is found."""

    raw: bytes
    learner: int
    template: str
    stage: int


def learner_of(key: bytes | None) -> int:
    """The learner whose row has this key; raises `RowError`."""
    # Python refuses to read thousands of digits, by another error.
    if key is None or not key.isdigit() or len(key) > len(str(LARGEST)) or int(key) > LARGEST:
        raise RowError("no learner's id")
    return int(key)


def badge_of(key: bytes | None) -> bytes | None:
    """The badge whose row has this key; None for a forgotten learner's. Raises `RowError`."""
    try:
        text = (key or b"").decode("ascii")
        return None if text.isdigit() else UUID(text).bytes
    except ValueError:
        raise RowError("no badge's id") from None


def progress_row(raw: bytes) -> ProgressRow:
    """A learner's row; raises `RowError`."""
    try:
        progress, _ = unpack(raw)
        user = progress.user
        told = (user.username, user.email) if user else ()
        return ProgressRow(raw, entries(progress), frozenset(name_of(text) for text in told if text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RowError(f"progress: {type(error).__name__}") from None


def name_of(text: str) -> int:
    """By what a user name or an address is found, whatever its case: a number, which shows neither."""
    digest = blake2b(text.casefold().encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def issuance_row(raw: bytes) -> IssuanceRow:
    """A badge's row; raises `RowError`."""
    try:
        issuance = load(orjson.loads(raw))
        stage = REFUSED if issuance.refused else DONE if done(issuance) else WAITING
        learner = learner_of(b"%d" % issuance.learner)
        return IssuanceRow(raw, learner, str(issuance.template), stage)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RowError(f"issuance: {type(error).__name__}") from None


def consent_row(raw: bytes) -> Consent:
    """A learner's consent; raises `RowError`."""
    try:
        return consent_of(raw)
    except ValueError:
        raise RowError("no consent") from None


def entries(progress: Progress) -> dict[str, Entry]:
    """The learner's entry under each template of which there is a badge, or for which anything counts."""
    found = {}
    for template, (requirements, stored) in progress.templates.items():
        fulfilled = tuple(sorted(id for id, state in requirements.items() if state[0] is not None))
        badge = NONE if stored is None else HELD if Badge(*stored).held else REVOKED
        if badge or fulfilled or any(_counts(State(*state)) for state in requirements.values()):
            found[template] = Entry(badge, fulfilled)
    return found


def _counts(state: State) -> bool:
    """Whether an unfulfilled requirement has a match; one that was withdrawn has no id."""
    return any(id for _, id, _ in state.matches)
