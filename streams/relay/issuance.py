"""What a badge should be at its issuer, and what it is there. Pure.

`desire` follows the bus, `learned` follows the issuer's answers; what to do about it is in next_step.py.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from streams.issuers import outcomes
from streams.issuers.outcomes import Recipient
from streams.relay.doubt import USUAL, Doubt, Trust, arrives, contrary, left
from streams.relay.failing import UNSEEN, Failing, Others, failed, hopeless
from streams.relay.seen import Seen
from streams.relay.steps import Called, Erase, Issue, LookUp, Revoke, Trace

FORBIDDEN_TRIES = 12
"""So often in a row a badge is forbidden while the key works, until a person must look: half an hour
(decision 0037)."""

ERASED = "erased"
KEPT = "kept"
"""The state of a badge that is to be revoked, and kept because it is adopted."""
WITHHELD = "withheld"
"""The state of a badge that the issuer has made and does not publish: its learner does not have it."""

Kind = Literal["awarded", "revoked"]
Desired = Kind | Literal["forgotten"]


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """The record of a badge event as the relay keeps it, for a dead letter."""

    value: bytes = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Word:
    """What the bus says of a badge; `ordered`: says again, because an operator wants it looked at.

    `reason`: why an operator has it revoked.
    """

    kind: Kind
    badge: str
    template: str
    learner: int
    generation: int
    decision: str
    time: datetime
    recipient: Recipient
    original: KeptRecord
    ordered: bool = False
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Issuance:
    """One badge: what is desired, by the bus's last word, and what is observed at its issuer.

    `rank` orders the words: awarded g, revoked g, awarded g + 1. `held` is the issuer's id of the badge that
    it holds; `sure` is false until an answer said so. `recipient` and `original` are personal data: they
    are dropped as soon as nothing is left to do. A `forgotten` badge is deleted at the issuer, then here.
    `loose`: the look-up answered, but so early that the doubtful call may still arrive and change the answer.
    `adopted`: the relay has not issued what is held, but found it; `found`: by a look-up, which names one of
    perhaps several. `past` are the issuer's ids of the badges
    that the relay issued before and nobody holds any more: to forget the learner is to delete them, too.
    `renews`: what is held is of an earlier award, which has expired.
    `seen`: what happened to a badge by the issuer's feed, and no answer said.
    `reason`: why an operator has it revoked, until that is done.
    """

    kind: Desired
    template: str
    learner: int
    rank: int
    decision: str
    time: datetime
    recipient: Recipient | None = None
    original: KeptRecord | None = None
    held: str | None = None
    state: str = ""
    sure: bool = False
    adopted: bool = False
    found: bool = False
    past: tuple[str, ...] = ()
    renews: bool = False
    doubt: Doubt | None = None
    loose: Doubt | None = None
    refused: str = ""
    attempts: int = 0
    failing: Failing | None = None
    forbidden: int = 0
    answer: str = ""
    answered_at: datetime | None = None
    seen: Seen | None = None
    reason: str = field(default="", repr=False)


def desire(issuance: Issuance | None, word: Word, *, history: bool = False) -> Issuance:
    """Follow the bus's word; one that is older than what is known changes nothing.

    One that repeats what is known has what was refused tried again, and what waits sent by what is known of
    the learner now; of what is done only an operator's order makes a doubt. `history`: another relay may have
    issued what the bus said before.
    """
    if issuance is None:
        # The award was never seen here: the issuer may hold the badge all the same.
        doubt = Doubt("unseen", word.time) if word.kind == "revoked" else None
        return settled(_desired(word, rank=0, doubt=doubt))
    doubt = issuance.doubt
    if word.decision == issuance.decision and not issuance.refused:
        if not done(issuance):
            same = issuance.recipient == word.recipient
            return issuance if same else replace(issuance, recipient=word.recipient, original=word.original)
        if not word.ordered:
            return issuance
        doubt = Doubt("unseen", word.time)
    elif word.decision != issuance.decision and _rank(word) <= issuance.rank:
        return issuance
    if history and word.kind == "revoked" and not issuance.held:
        doubt = doubt or Doubt("unseen", word.time)
    if word.kind == "awarded" and issuance.held and issuance.state in outcomes.TAKEN_BACK:
        # It is a new award: what was taken back is not it.
        doubt = doubt or Doubt("unseen", word.time)
    # No revocation came between: the badge has expired, and is earned again.
    again = issuance.kind == word.kind == "awarded" and word.decision != issuance.decision
    return settled(
        replace(
            _desired(word, rank=issuance.rank, doubt=doubt),
            renews=issuance.held is not None and (issuance.renews or again),
            held=issuance.held,
            state="" if issuance.state == KEPT else issuance.state,
            sure=issuance.sure,
            adopted=issuance.adopted,
            found=issuance.found,
            past=issuance.past,
            loose=issuance.loose,
            answered_at=issuance.answered_at,
        )
    )


def forget(issuance: Issuance, at: datetime) -> Issuance:
    """Desire that the badge is deleted, at the issuer and here.

    Who it may have been issued to stays until that is done: it shows which badge is the learner's.
    """
    return replace(
        issuance,
        kind="forgotten",
        time=at,
        original=None,
        reason="",
        state="",
        refused="",
        attempts=0,
        answer="",
    )


def kept(issuance: Issuance) -> Issuance:
    """Settle that a badge stays as it is; unchanged if something else is desired by now.

    It is adopted: the relay neither renews nor revokes nor deletes it.
    """
    if issuance.renews and issuance.kind == "awarded":
        return settled(replace(issuance, renews=False))
    if issuance.kind == "awarded" or not issuance.adopted:
        return issuance
    state = KEPT if issuance.kind == "revoked" else ERASED
    return settled(replace(issuance, state=state, attempts=0, answer=""))


def adopts(issuance: Issuance, outcome: outcomes.Outcome) -> bool:
    """True if what a look-up found was not issued by the relay, as far as it can know."""
    if not isinstance(outcome, outcomes.Found) or outcome.by == "site":
        return False
    if outcome.badge == issuance.held:
        return issuance.adopted
    issuing = any(doubt and doubt.about == "issue" for doubt in (issuance.doubt, issuance.loose))
    return not (issuing and outcome.by == "earner")


def learned(
    issuance: Issuance,
    step: Called,
    outcome: outcomes.Outcome,
    now: datetime,
    trust: Trust = USUAL,
    others: Others = UNSEEN,
) -> Issuance:
    """Follow what the issuer answered to `step`; what is desired may have changed meanwhile.

    Of what fails again and again, how it goes with `others` decides whether it is given up.
    """
    forbidden = issuance.forbidden + 1 if isinstance(outcome, outcomes.Forbidden) else 0
    if others.finds and isinstance(outcome, outcomes.Refused) and _may_be_late(issuance, step, now, trust):
        outcome = outcomes.AlreadyIssued(outcome.why)
    after = replace(_observed(issuance, step, outcome, now, trust), answered_at=now, forbidden=forbidden)
    if issuance.found and issuance.held and after.held is None and after.kind == "revoked":
        # The look-up named the first that it found. Each round waits longer.
        after = replace(after, found=False, doubt=Doubt("more", now), attempts=issuance.attempts + 1)
    if isinstance(outcome, outcomes.Deferred):
        failing = failed(issuance.failing, others, issuance.answered_at, now)
        after = _given_up(after, failing, others, now)
    elif not after.attempts:
        after = replace(after, failing=None)
    early = arrives(issuance.doubt, now, trust, trust.surely)
    if early and issuance.doubt and isinstance(outcome, outcomes.Found | outcomes.Absent):
        after = replace(after, loose=trust.owned(issuance.doubt))
    # A look-up knows better than what was said before it, an issue does not.
    after = _as_seen(after) if isinstance(outcome, outcomes.Issued) else replace(after, seen=None)
    return settled(after)


def observe(issuance: Issuance, seen: Seen) -> Issuance:
    """Follow what the issuer says has happened to a badge; unchanged if that is known, or of another badge.

    What was taken back there stays so until the bus or an operator speaks of it: the relay does not undo what
    a person has done.
    """
    before = issuance.seen
    if issuance.kind == "forgotten" or (
        before and before.badge == seen.badge and _order(before) >= _order(seen)
    ):
        return issuance
    if not done(issuance):
        # The answer that says which badge it is may still be on its way.
        late = issuance.kind == "awarded" and seen.state in outcomes.TAKEN_BACK
        return replace(issuance, seen=seen) if late else issuance
    if seen.badge != issuance.held or seen.state == issuance.state:
        return issuance
    return settled(_as_seen(replace(issuance, seen=seen)))


def _order(seen: Seen) -> tuple[datetime, bool]:
    """Which of two counts: the later; within a second of the issuer's, which comes last is taking back."""
    return seen.at, seen.state in outcomes.TAKEN_BACK


def letter_due(before: Issuance, after: Issuance) -> bool:
    """True if a badge has just been refused."""
    return bool(after.refused) and not before.refused


def done(issuance: Issuance) -> bool:
    """True if nothing is left to do."""
    if issuance.refused:
        return True
    if issuance.kind == "forgotten":
        return gone(issuance)
    if issuance.doubt is not None:
        return False
    if issuance.kind == "revoked":
        return issuance.held is None or issuance.state == KEPT
    return issuance.held is not None and issuance.state not in (KEPT, WITHHELD) and not issuance.renews


def gone(issuance: Issuance) -> bool:
    """True if the badge is forgotten and the issuer knows nothing of it: its row is to be deleted."""
    return issuance.kind == "forgotten" and issuance.state == ERASED


def _desired(word: Word, *, rank: int, doubt: Doubt | None) -> Issuance:
    return Issuance(
        kind=word.kind,
        template=word.template,
        learner=word.learner,
        rank=max(rank, _rank(word)),
        decision=word.decision,
        time=word.time,
        recipient=word.recipient,
        original=word.original,
        doubt=doubt,
        reason=word.reason,
    )


def _rank(word: Word) -> int:
    return 2 * word.generation + (word.kind == "revoked")


def _may_be_late(issuance: Issuance, step: Called, now: datetime, trust: Trust) -> bool:
    """True if a second issue may have been refused for the first, which does not show yet."""
    return isinstance(step, Issue) and arrives(issuance.loose, now, trust, trust.surely) is not None


def _past(issuance: Issuance) -> tuple[str, ...]:
    """What was issued once what is held is held no more."""
    held = issuance.held
    return issuance.past if held is None or held in issuance.past else (*issuance.past, held)


def _observed(
    issuance: Issuance, step: Called, outcome: outcomes.Outcome, now: datetime, trust: Trust
) -> Issuance:
    match outcome:
        case outcomes.Issued() | outcomes.Found():
            return _held(issuance, outcome)
        case outcomes.Withheld(badge, why):
            known = replace(issuance, past=_without(issuance.past, badge), held=badge, state=WITHHELD)
            return replace(known, sure=True, doubt=None, attempts=issuance.attempts + 1, answer=why)
        case outcomes.Revoked():
            known = replace(issuance, doubt=None, loose=None, attempts=0, answer="", past=_past(issuance))
            return replace(known, held=None, adopted=False, state="revoked", sure=True, renews=False)
        case outcomes.Erased(wholly=True):
            return replace(issuance, state=ERASED, held=None, past=(), doubt=None)
        case outcomes.Erased():
            return _erased(issuance, step.badge if isinstance(step, Erase) else issuance.held)
        case outcomes.Absent(unproven):
            traced = isinstance(step, Trace)
            return replace(issuance, state=ERASED) if traced else _absent(issuance, unproven, now, trust)
        case outcomes.Dormant(badge):
            return replace(issuance, past=(*_without(issuance.past, badge), badge), doubt=None, answer="")
        case outcomes.AlreadyIssued(why):
            return replace(issuance, doubt=Doubt("duplicate", now), answer=why)
        case outcomes.Forbidden(why) if issuance.forbidden + 1 < FORBIDDEN_TRIES:
            kept = issuance.doubt if _leaves_doubt(issuance, step) else None
            return replace(issuance, doubt=kept, answer=why, attempts=issuance.attempts + 1)
        case outcomes.Refused() | outcomes.Forbidden() if issuance.kind == "forgotten" and not isinstance(
            step, Trace | Erase
        ):
            return replace(issuance, doubt=None)
        case outcomes.Refused(why) | outcomes.Forbidden(why):
            kept = issuance.doubt if _leaves_doubt(issuance, step) else None
            return replace(issuance, doubt=kept, refused=why, answer="", attempts=issuance.attempts + 1)
        case outcomes.Deferred(why, ambiguous):
            kept = issuance.doubt if ambiguous or _leaves_doubt(issuance, step) else None
            if kept and isinstance(step, Issue | Revoke):
                # The call may have begun long after its intent, but not after its end.
                kept = replace(kept, at=now)
            return replace(issuance, doubt=kept, answer=why, attempts=issuance.attempts + 1)
        case outcomes.TemplateUnavailable(why) | outcomes.KeyRefused(why) | outcomes.Throttled(why, _):
            # Nothing was done, and it is not this badge's fault.
            kept = issuance.doubt if _leaves_doubt(issuance, step) else None
            return replace(issuance, doubt=kept, answer=why)
        case outcomes.TemplateActive() | outcomes.KeyExpiry() | outcomes.KeyWorks() | outcomes.Unsupported():
            raise TypeError(f"{type(outcome).__name__} is no answer about a badge")
        case (
            outcomes.Page()
            | outcomes.FeedPage()
            | outcomes.Rotated()
            | outcomes.Missing()
            | outcomes.Granted()
            | outcomes.Unsaid()
        ):
            raise TypeError(f"{type(outcome).__name__} is half an answer")
        case _:
            assert_never(outcome)


def _held(issuance: Issuance, outcome: outcomes.Issued | outcomes.Found) -> Issuance:
    """What follows where the issuer has the badge: issued now, or found."""
    badge, was_found = outcome.badge, isinstance(outcome, outcomes.Found)
    # A badge that is found again and again after its revocation waits longer each time.
    attempts = issuance.attempts if issuance.kind == "revoked" else 0
    found = issuance.found if badge == issuance.held else was_found
    # What it was until now was replaced, or is another that was found.
    replaced = not was_found and badge != issuance.held
    past = _past(issuance) if replaced else issuance.past
    known = replace(issuance, adopted=adopts(issuance, outcome), past=_without(past, badge))
    known = replace(known, held=badge, found=found, state=outcome.state, sure=True)
    # What was looked up may be the earlier award, unless the issuer said that it takes no second.
    renews = issuance.renews and was_found and not _refused_second(issuance)
    return replace(known, doubt=None, attempts=attempts, answer="", renews=renews)


def _leaves_doubt(issuance: Issuance, step: Called) -> bool:
    """True if a step that was not done leaves a doubt as it was: it was to end it."""
    match step:
        case LookUp():
            return True
        case Revoke(badge):
            return not badge
        case Issue():
            # Of what is held: it was ordered to be issued again.
            return issuance.held is not None and issuance.state != WITHHELD and not issuance.renews
    return False


def _as_seen(issuance: Issuance) -> Issuance:
    seen = issuance.seen
    if seen is None or seen.badge != issuance.held:
        return issuance
    if issuance.kind == "revoked" and seen.state in outcomes.TAKEN_BACK:
        gone = replace(issuance, held=None, adopted=False, past=_past(issuance), doubt=None, loose=None)
        return replace(gone, state=seen.state, refused="", answer="", attempts=0)
    return replace(issuance, state=seen.state)


def _refused_second(issuance: Issuance) -> bool:
    return issuance.doubt is not None and issuance.doubt.about == "duplicate"


def _given_up(issuance: Issuance, failing: Failing, others: Others, now: datetime) -> Issuance:
    """The issuance, which has failed once more; refused if that is hopeless."""
    if not hopeless(failing, others, now):
        return replace(issuance, failing=failing)
    why = f"{issuance.answer} (again and again since {failing.since:%Y-%m-%d %H:%M} UTC)"
    return replace(issuance, failing=None, refused=why, answer="")


def _erased(issuance: Issuance, badge: str | None) -> Issuance:
    held = None if badge == issuance.held else issuance.held
    known = replace(issuance, held=held, adopted=issuance.adopted and held is not None)
    known = replace(known, past=_without(issuance.past, badge))
    return replace(known, state="", sure=True, doubt=None, attempts=0, answer="")


def _absent(issuance: Issuance, unproven: int, now: datetime, trust: Trust) -> Issuance:
    if issuance.doubt is not None and issuance.doubt.about == "duplicate" and issuance.kind == "awarded":
        if left(issuance.doubt, now, trust.lag):
            # It may not show yet what the issuer itself says is there.
            return issuance
        finds = f"{unproven} that nothing shows to be the learner's" if unproven else "no such badge"
        return replace(issuance, doubt=None, refused=f"{issuance.answer} (and a look-up finds {finds})")
    past = issuance.past if issuance.adopted else _past(issuance)
    state = issuance.state if issuance.doubt and issuance.doubt.about == "more" else ""
    known = replace(issuance, held=None, adopted=False, past=past, state=state, renews=False)
    return replace(known, sure=True, doubt=None, answer="")


def _without(past: tuple[str, ...], badge: str | None) -> tuple[str, ...]:
    return tuple(other for other in past if other != badge)


def settled(issuance: Issuance) -> Issuance:
    """The issuance without what is of no use where nothing is left to do."""
    loose = issuance.loose
    if loose and issuance.kind != "forgotten" and done(issuance) and contrary(loose, issuance.kind):
        # It seems done, but a call that would undo it may still arrive.
        issuance = replace(issuance, doubt=loose, loose=None)
    if not done(issuance):
        return issuance
    loose = issuance.loose and replace(issuance.loose, address="")
    seen = issuance.seen if issuance.seen and issuance.seen.badge == issuance.held else None
    return replace(issuance, recipient=None, original=None, loose=loose, seen=seen, reason="")
