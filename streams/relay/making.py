"""What an issuer is told of a badge; and the steps of one that makes its badges itself (decision 0084)."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from streams.issuers.issuer import Award, Cause, Desk, Made, Maker, Revocation, Signed, Wanted
from streams.issuers.outcomes import KeyRefused
from streams.relay.badge_events import evidence_in
from streams.relay.issuance import Issuance
from streams.relay.organizations import OvertakenError, Turn
from streams.relay.signing import SigningError
from streams.relay.steps import Erase, Issue, Revoke
from streams.relay.terms import TemplateTerms

Named = Callable[..., Wanted]
"""Names a badge to its issuer, by the learner's addresses and the issuer's id."""


class Making:
    """A partition's desks, one an organization. At each, one step is done after the other: it begins with
    what the one before has written down, and must be saved after it."""

    def __init__(self, number: int, kept: dict[str, bytes]) -> None:
        self._number = number
        self._kept = kept
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def make(
        self,
        maker: Maker,
        step: Issue | Revoke | Erase,
        issuance: Issuance,
        terms: TemplateTerms,
        wanted: Named,
        turn: Turn,
        still: Callable[[], bool],
    ) -> Made:
        """Do a step, with the key of a turn; what it made is to be saved together, and at once.

        Raises `OvertakenError` where it is not `still` the step before it is done, or after that.
        """
        async with self._lines[turn.terms.id]:
            if not still():
                raise OvertakenError
            key, signer, at = maker.key(turn.key), turn.organization.signer, turn.terms
            try:
                secret = await signer.secret(key)
                desk = Desk(at.id, at.name, at.base, self._number, self._kept, key, secret, at.jwt)
                made = await signer.signed(key, _steps(maker, desk, step, issuance, terms, wanted))
            except SigningError as error:
                return Made(KeyRefused(str(error)))
            if not still():
                raise OvertakenError
            self._kept |= made.kept
            return made


def _steps(
    maker: Maker,
    desk: Desk,
    step: Issue | Revoke | Erase,
    issuance: Issuance,
    terms: TemplateTerms,
    wanted: Named,
) -> Signed[Made]:
    match step:
        case Issue():
            return maker.issue(desk, award_of(step, issuance, terms, wanted), terms.about)
        case Revoke():
            return maker.revoke(desk, revocation_of(step, issuance, terms, wanted))
        case Erase(badge):
            return maker.erase(desk, wanted(badge=badge), issuance.time)


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
        evidence=evidence_in(issuance.original.headers) if terms.evidence and issuance.original else (),
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
