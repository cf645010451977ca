"""What happened at a Credly organization, whoever did it: its events, page by page (decision 0100).

Whether the newest are on the first page is not documented, nor whether an event in the list says what it is
about: the pages show the one, and what an event does not say is asked for.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

from streams.issuers.credly import answers, requests
from streams.issuers.issuer import Call, Known, Steps
from streams.issuers.outcomes import FeedOutcome, FeedPage, Happened, Occurrence, Trouble, Unsupported

FIRST_PAGES = 20
"""How far back the first look goes, in pages of 50: what happened before is for `reconcile`."""
PAGES = 2_000
"""How far back any other goes: a month with a badge issued and accepted each minute."""
TRIES = 2
"""An event is asked for so often before it is passed over, where others could be asked for."""

_NO_TIME = datetime.max.replace(tzinfo=UTC)


def happened(organization: str, known: Known | None) -> Steps[FeedOutcome]:
    """What is not known yet; None: nothing was ever asked for."""
    walked = yield from _walked(organization, known)
    if not isinstance(walked, Happened):
        return walked
    told: dict[str, Occurrence] = {}
    for _ in range(TRIES):
        failed = None
        for occurrence in walked.occurrences:
            if occurrence.lacks and occurrence.id not in told:
                outcome = yield from _told(organization, occurrence)
                if isinstance(outcome, FeedPage):
                    [told[occurrence.id]] = outcome.occurrences
                elif isinstance(outcome, Unsupported):
                    failed = outcome
                else:
                    return outcome
    if failed is not None and not told:
        return failed
    # One that alone cannot be asked for must not hold up the others for ever.
    return Happened(tuple(told.get(of.id) or _unread(of) for of in walked.occurrences), walked.joins)


def _told(organization: str, occurrence: Occurrence) -> Steps[FeedPage | Unsupported | Trouble]:
    read = partial(answers.event, asked=occurrence)
    asked = requests.event(organization, occurrence.id)
    return Call[FeedPage | Unsupported | Trouble]("feed", asked, read).once()


def _unread(occurrence: Occurrence) -> Occurrence:
    return replace(occurrence, event="unreadable") if occurrence.lacks else occurrence


def _walked(organization: str, known: Known | None) -> Steps[FeedOutcome]:
    """From the newest page to one on which everything is known, or the oldest."""
    number: int | None = 1
    page = yield from _page(organization, 1)
    from_end = page.last if isinstance(page, FeedPage) and _oldest_first(page) else None
    if from_end:
        number = from_end
        page = yield from _page(organization, from_end)
    found: dict[str, Occurrence] = {}
    joins = known is None
    for left in reversed(range(FIRST_PAGES if known is None else PAGES)):
        if not isinstance(page, FeedPage):
            return page
        new = {of.id: of for of in page.occurrences if known is None or of not in known}
        found |= new
        joins = joins or len(new) < len(page.occurrences)
        number = (number - 1 or None) if from_end and number else page.next
        if number is None or not new or not left:
            break
        page = yield from _page(organization, number)
    return Happened(_in_order(found.values()), joins or not found)


def _in_order(found: Iterable[Occurrence]) -> tuple[Occurrence, ...]:
    return tuple(sorted(found, key=lambda of: of.at or _NO_TIME))


def _oldest_first(page: FeedPage) -> bool:
    """True if times rise more often than they fall, on a page that is not the only one."""
    times = [of.at for of in page.occurrences if of.at is not None]
    rising = sum(earlier < later for earlier, later in pairwise(times))
    falling = sum(earlier > later for earlier, later in pairwise(times))
    return page.next is not None and rising > falling


def _page(organization: str, number: int) -> Steps[FeedPage | Unsupported | Trouble]:
    read = partial(answers.events, page=number)
    asked = requests.events(organization, number)
    return Call[FeedPage | Unsupported | Trouble]("feed", asked, read).once()
