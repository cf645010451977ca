"""A badge that fails for ever while others succeed is given up (decision 0061)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

QUIET_TIMES = 7
"""A week by default. Where nobody else tries, or nobody succeeds though look-ups are answered, it may be an
outage; one that lasts longer does not pass by itself, and a person must look."""


@dataclass(frozen=True, slots=True)
class Failing:
    """Since when a badge's tries fail in a row; `alone` is since when others succeed where it fails."""

    since: datetime
    alone: datetime | None = None


@dataclass(frozen=True, slots=True)
class Others:
    """How the badge's organization fares otherwise, and for how long a badge may fail alone (`patience`).

    `answered` is when a step of any badge last succeeded, `succeeded` when one of the same kind did; None if
    this worker has seen none. `finds`: between its tries a badge is looked up, which an outage would show.
    """

    answered: datetime | None = None
    succeeded: datetime | None = None
    patience: timedelta = timedelta(hours=24)
    finds: bool = True


UNSEEN = Others()
"""Nothing was seen of others."""


def failed(failing: Failing | None, others: Others, last: datetime | None, now: datetime) -> Failing:
    """Count one more failure of a badge that was answered `last`; those of an outage do not count."""
    seen = last if others.finds else (failing.since if failing else None)
    outage = others.answered is None or (seen is not None and others.answered < seen)
    if failing is None or outage:
        return Failing(now)
    overtaken = others.succeeded is not None and others.succeeded >= failing.since
    return replace(failing, alone=now) if overtaken and failing.alone is None else failing


def hopeless(failing: Failing, others: Others, now: datetime) -> bool:
    """True once a badge has failed alone for as long as it may, or for very long where nobody else tries."""
    if failing.alone is not None and now - failing.alone >= others.patience:
        # Where nothing is looked up, an outage may have begun since: somebody must have succeeded again.
        return others.finds or (others.succeeded or failing.alone) >= failing.alone + others.patience
    return now - failing.since >= QUIET_TIMES * others.patience
