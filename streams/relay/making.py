"""What an issuer is told of a badge; and the steps of one that makes its badges itself (decision 0084)."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from streams.issuers.issuer import Award, Cause, Desk, Made, Maker, Revocation, Wanted
from streams.relay.issuance import Issuance
from streams.relay.organizations import Turn
from streams.relay.steps import Erase, Issue, Revoke
from streams.relay.terms import TemplateTerms

Named = Callable[..., Wanted]
"""Names a badge to its issuer, by the learner's addresses and the issuer's id."""


class Making:
    """A partition's desk. What is written down at it counts at once: each step is saved after the former."""

    def __init__(self, number: int, kept: dict[str, bytes]) -> None:
        self._number = number
        self._kept = kept

    def make(
        self,
        maker: Maker,
        step: Issue | Revoke | Erase,
        issuance: Issuance,
        terms: TemplateTerms,
        wanted: Named,
        turn: Turn,
    ) -> Made:
        """Do a step, with the key of a turn; what it made is to be saved together."""
        at = turn.terms
        desk = Desk(at.id, at.name, at.base, self._number, self._kept, turn.key)
        match step:
            case Issue():
                made = maker.issue(desk, award_of(step, issuance, terms, wanted), terms.about)
            case Revoke():
                made = maker.revoke(desk, revocation_of(step, issuance, terms, wanted))
            case Erase(badge):
                made = maker.erase(desk, wanted(badge=badge), issuance.time)
        self._kept |= made.kept
        return made


def cause_of(issuance: Issuance) -> Cause:
    """The decision that a step follows."""
    return Cause(issuance.time, issuance.decision, issuance.rank)


def award_of(step: Issue, issuance: Issuance, terms: TemplateTerms, wanted: Named) -> Award:
    """A badge to issue."""
    return Award(
        recipient=step.recipient,
        wanted=wanted((step.recipient.email,), issuance.held or "".join(issuance.past[-1:])),
        cause=cause_of(issuance),
        expires_at=_expiry(terms, step.time),
        notify=terms.notify_award,
        renews=issuance.renews,
    )


def revocation_of(step: Revoke, issuance: Issuance, terms: TemplateTerms, wanted: Named) -> Revocation:
    """A badge to revoke."""
    named = wanted(badge=step.badge)
    return Revocation(named, cause_of(issuance), notify=terms.notify_revoke, reason=step.reason)


def _expiry(terms: TemplateTerms, time: datetime) -> datetime | Literal[False] | None:
    if terms.expires_after is None:
        return None
    try:
        return terms.expires_after.after(time)
    except OverflowError:
        # After the year 9999, which is as good as never.
        return False
