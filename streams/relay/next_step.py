"""The next step from what is known of a badge to what is desired of it. Pure.

The caller writes `intend` durably before it makes a call: a worker that finds an intent without a result
looks up first, or where nothing can be looked up makes the call again.
"""

from dataclasses import replace
from datetime import datetime

from streams.issuers.issuer import Issuer
from streams.relay.doubt import USUAL, Doubt, Trust, arrives, contrary, left, waits
from streams.relay.issuance import KEPT, WITHHELD, Issuance
from streams.relay.steps import Erase, Issue, Keep, Lack, LookUp, Nothing, Revoke, Step, Trace


def next_step(
    issuance: Issuance,
    now: datetime,
    issuer: Issuer,
    *,
    allows_duplicates: bool = False,
    keeps: bool = True,
    trust: Trust = USUAL,
) -> Step:
    """What brings the issuer nearer to what is desired.

    `allows_duplicates` is the template's own word; `keeps` is the site's about adopted badges.
    """
    if issuance.refused:
        return Nothing()
    if issuance.kind == "forgotten":
        doubts = (arrives(doubt, now, trust, trust.surely) for doubt in (issuance.doubt, issuance.loose))
        return next(filter(None, doubts), None) or _forgetting(issuance, issuer, keeps)
    if issuance.doubt is not None:
        # Of a late call that the issuer would refuse, no harm can come.
        unprotected = allows_duplicates or contrary(issuance.doubt, issuance.kind)
        wait = arrives(issuance.doubt, now, trust, trust.surely if unprotected else issuer.traits.settles)
        if wait:
            return wait
        if issuer.traits.finds:
            lags = _may_lag(issuance) and waits(left(issuance.doubt, now, trust.lag))
            return lags or LookUp(_addresses(issuance), issuance.held or "")
    if issuance.kind == "revoked":
        return _revoking(issuance, now, keeps, trust)
    return _issuing(issuance, issuer, allows_duplicates, keeps)


def intend(
    issuance: Issuance, step: Issue | Revoke, now: datetime, issuer: Issuer, trust: Trust = USUAL
) -> Issuance:
    """Say before a call that it may have been made; unchanged if that is no longer the step."""
    # Whether adopted badges are kept was settled before: a revocation of one means that they are not.
    if next_step(issuance, now, issuer, keeps=False, trust=trust) != step:
        return issuance
    doubt = issuance.doubt
    if doubt is not None and doubt.of_call and not contrary(doubt, issuance.kind):
        # The call is made again, and the first may still arrive.
        issuance = replace(issuance, loose=trust.owned(doubt))
    if isinstance(step, Issue):
        return replace(issuance, doubt=Doubt("issue", now, step.recipient.email))
    return replace(issuance, doubt=Doubt("revoke", now))


def _revoking(issuance: Issuance, now: datetime, keeps: bool, trust: Trust) -> Step:
    if not issuance.held and issuance.doubt is None:
        return Nothing()
    if issuance.held and issuance.adopted and keeps:
        return Nothing() if issuance.state == KEPT else Keep()
    # While it is held, the issuer refuses the second badge that may be on its way.
    late = arrives(issuance.loose, now, trust, trust.surely)
    return late or Revoke(issuance.held or "", issuance.reason)


def _issuing(issuance: Issuance, issuer: Issuer, allows_duplicates: bool, keeps: bool) -> Step:
    if issuance.held and issuance.doubt is None and issuance.state != WITHHELD:
        if not issuance.renews:
            return Nothing()
        if issuance.adopted and keeps:
            return Keep()
    if lacking := issuer.lacks(issuance.recipient):
        return Lack(lacking)
    looks_first = issuer.traits.searches or not issuer.traits.finds
    if allows_duplicates and not issuance.sure and not looks_first:
        return LookUp(_addresses(issuance))
    assert issuance.recipient is not None
    return Issue(issuance.recipient, issuance.time)


def _may_lag(issuance: Issuance) -> bool:
    """True if a look-up may still say what was before: it follows a revocation, or is the second."""
    doubt, answered = issuance.doubt, issuance.answered_at
    if doubt is None or answered is None:
        return False
    return doubt.about == "more" or (doubt.about == "duplicate" and answered > doubt.at)


def _forgetting(issuance: Issuance, issuer: Issuer, keeps: bool) -> Step:
    if not issuer.traits.finds:
        return Erase(issuance.held or "")
    spared = issuance.adopted and keeps
    if issuance.held and not spared:
        return Erase(issuance.held)
    if issuance.past:
        return Erase(issuance.past[-1])
    return Keep() if issuance.held else Trace(_addresses(issuance))


def _addresses(issuance: Issuance) -> tuple[str, ...]:
    """Under which the learner's badge may have been issued, the newest first."""
    known = [issuance.recipient.email] if issuance.recipient else []
    known += [doubt.address for doubt in (issuance.doubt, issuance.loose) if doubt]
    return tuple(dict.fromkeys(filter(None, known)))
