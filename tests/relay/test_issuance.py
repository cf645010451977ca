"""What is desired and what is observed, and the step from this to that: given, when, then."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.issuers import outcomes
from streams.issuers.credly.issuer import CREDLY
from streams.relay import next_step as steps
from streams.relay.doubt import USUAL, Doubt, Trust
from streams.relay.issuance import Issuance, Word, desire, done, forget, learned, observe
from streams.relay.rows import dump, load
from streams.relay.seen import Seen
from streams.relay.steps import Issue, Lack, LookUp, Nothing, Revoke, Trace, Wait
from tests.relay.virtual import EPOCH
from tests.relay.world import event, recipient

next_step = partial(steps.next_step, issuer=CREDLY)
intend = partial(steps.intend, issuer=CREDLY)

LATER = EPOCH + timedelta(minutes=1)
WHO = recipient(1)
ISSUE = Issue(WHO, EPOCH)


def after(*events: Word) -> Issuance:
    issuance = None
    for one in events:
        issuance = desire(issuance, one)
    assert issuance is not None
    return issuance


def holding(*events: Word) -> Issuance:
    issuance = learned(after(event("awarded")), ISSUE, outcomes.Issued("c-1", "pending"), EPOCH)
    for one in events:
        issuance = desire(issuance, one)
    return issuance


@pytest.mark.parametrize(
    ("issuance", "step"),
    [
        (after(event("awarded")), ISSUE),
        (after(event("awarded"), event("revoked")), Nothing()),
        (after(event("awarded"), event("revoked"), event("awarded", generation=2)), ISSUE),
        (after(event("revoked")), LookUp((WHO.email,))),
        (
            after(event("awarded", who=recipient(1, email=""))),
            Lack("the learner's e-mail address is not known"),
        ),
        (holding(), Nothing()),
        (holding(event("revoked")), Revoke("c-1")),
        (holding(replace(event("revoked"), reason="why")), Revoke("c-1", "why")),
        (holding(event("revoked"), event("awarded", generation=2)), Nothing()),
        (intend(after(event("awarded")), ISSUE, EPOCH), LookUp((WHO.email,))),
        (intend(holding(event("revoked")), Revoke("c-1"), EPOCH), LookUp((WHO.email,), "c-1")),
    ],
)
def test_the_next_step_is_what_differs(issuance: Issuance, step: object) -> None:
    assert next_step(issuance, LATER) == step
    assert done(issuance) == (step == Nothing())


@pytest.mark.parametrize(("duplicates", "settles"), [(False, CREDLY.traits.settles), (True, USUAL.surely)])
def test_an_intent_without_a_result_settles_before_it_is_looked_up(
    duplicates: bool, settles: timedelta
) -> None:
    intended = intend(after(event("awarded")), ISSUE, EPOCH)
    assert next_step(intended, EPOCH, allows_duplicates=duplicates) == Wait(settles.total_seconds())
    assert isinstance(next_step(intended, EPOCH + settles, allows_duplicates=duplicates), LookUp)
    # However wrong a clock was.
    long_ago = EPOCH - timedelta(days=400)
    assert next_step(intended, long_ago, allows_duplicates=duplicates) == Wait(settles.total_seconds())


def test_an_intent_is_not_written_for_what_is_no_longer_the_step() -> None:
    revoked = after(event("awarded"), event("revoked"))
    assert intend(revoked, ISSUE, EPOCH) is revoked


def test_in_a_history_what_was_awarded_and_revoked_is_looked_up() -> None:
    awarded = desire(None, event("awarded"), history=True)
    assert next_step(awarded, LATER) == ISSUE
    revoked = desire(awarded, event("revoked"), history=True)
    assert isinstance(next_step(revoked, LATER), LookUp)
    again = desire(revoked, event("awarded", generation=2), history=True)
    assert isinstance(next_step(again, LATER), LookUp)
    assert desire(revoked, event("awarded"), history=True) is revoked


def test_the_generation_says_which_word_is_newer() -> None:
    words = [event(kind, generation=n) for n in (1, 2) for kind in ("awarded", "revoked")]
    for last in range(4):
        known = after(*words[: last + 1])
        assert known.decision == words[last].decision
        for earlier in words[: last + 1]:
            assert desire(known, earlier) is known


def test_what_waits_is_sent_by_what_is_known_of_the_learner_now() -> None:
    mended = event("awarded", who=recipient(1, email="ada@example.org"))
    waiting = desire(after(event("awarded", who=recipient(1, email=""))), mended)
    assert (waiting.recipient, waiting.original) == (mended.recipient, mended.original)
    intended = intend(after(event("awarded")), ISSUE, EPOCH)
    assert desire(intended, mended).doubt == intended.doubt
    assert desire(holding(), mended) == holding()


@pytest.mark.parametrize("outcome", [outcomes.Found("c-2", "accepted"), outcomes.Absent()])
def test_by_order_a_badge_that_seems_held_is_looked_up_and_issued_if_it_is_not_there(
    outcome: outcomes.Found | outcomes.Absent,
) -> None:
    doubted = desire(holding(), replace(event("awarded"), ordered=True))
    step = next_step(doubted, LATER)
    assert isinstance(step, LookUp)
    found = learned(doubted, step, outcome, LATER)
    assert next_step(found, LATER) == (ISSUE if isinstance(outcome, outcomes.Absent) else Nothing())


def test_by_order_a_badge_that_seems_revoked_is_looked_up_and_revoked_if_it_is_there() -> None:
    revoked = learned(holding(event("revoked")), Revoke("c-1"), outcomes.Revoked(), EPOCH)
    doubted = desire(revoked, replace(event("revoked"), ordered=True))
    step = next_step(doubted, LATER)
    assert isinstance(step, LookUp)
    assert next_step(learned(doubted, step, outcomes.Found("c-2", "accepted"), LATER), LATER) == Revoke("c-2")
    assert done(learned(doubted, step, outcomes.Absent(), LATER))


@given(st.permutations([event(kind, generation=n) for n in (1, 2, 3) for kind in ("awarded", "revoked")]))
def test_whatever_the_order_of_arrival_the_newest_word_stays(words: list[Word]) -> None:
    assert after(*words).decision == event("revoked", generation=3).decision


def test_only_what_was_refused_is_tried_again_by_a_repetition() -> None:
    refused = learned(after(event("awarded")), ISSUE, outcomes.Refused("422: no"), EPOCH)
    assert done(refused)
    assert refused.recipient is None
    again = desire(refused, event("awarded"))
    assert next_step(again, LATER) == ISSUE
    assert desire(refused, event("awarded", generation=0)) is refused


def test_a_refused_look_up_leaves_its_doubt_for_the_next_word() -> None:
    doubtful = intend(after(event("awarded")), ISSUE, EPOCH)
    refused = learned(doubtful, LookUp((WHO.email,)), outcomes.Refused("400: no"), EPOCH)
    assert next_step(refused, LATER) == Nothing()
    assert isinstance(next_step(desire(refused, event("revoked")), LATER), LookUp)


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (outcomes.Issued("c-1", "pending"), Nothing),
        (outcomes.AlreadyIssued("422: already"), LookUp),
        (outcomes.TemplateUnavailable("404"), Issue),
        (outcomes.KeyRefused("401"), Issue),
        (outcomes.Throttled("429", None), Issue),
        (outcomes.Deferred("503", ambiguous=True), LookUp),
        (outcomes.Deferred("ClientConnectorError", ambiguous=False), Issue),
        (outcomes.Refused("422: no"), Nothing),
    ],
)
def test_each_outcome_of_an_issue_has_its_next_step(outcome: outcomes.Outcome, step: type) -> None:
    intended = intend(after(event("awarded")), ISSUE, EPOCH)
    assert isinstance(next_step(learned(intended, ISSUE, outcome, EPOCH), LATER), step)


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (outcomes.Revoked(), Nothing),
        (outcomes.KeyRefused("401"), Revoke),
        (outcomes.Throttled("429", None), Revoke),
        (outcomes.Deferred("TimeoutError", ambiguous=True), LookUp),
        (outcomes.Deferred("ClientConnectorError", ambiguous=False), Revoke),
        (outcomes.Refused("422: no"), Nothing),
    ],
)
def test_each_outcome_of_a_revocation_has_its_next_step(outcome: outcomes.Outcome, step: type) -> None:
    revoke = Revoke("c-1")
    intended = intend(holding(event("revoked")), revoke, EPOCH)
    assert isinstance(next_step(learned(intended, revoke, outcome, EPOCH), LATER), step)


@pytest.mark.parametrize(
    ("about", "outcome", "step"),
    [
        ("issue", outcomes.Found("c-9", "accepted"), Nothing),
        ("issue", outcomes.Absent(), Issue),
        ("duplicate", outcomes.Found("c-9", "accepted"), Nothing),
        ("duplicate", outcomes.Absent(), Nothing),
        ("issue", outcomes.Deferred("503", ambiguous=True), LookUp),
        ("issue", outcomes.Deferred("ClientConnectorError", ambiguous=False), LookUp),
        ("issue", outcomes.Throttled("429", 1.0), LookUp),
        ("issue", outcomes.KeyRefused("401"), LookUp),
    ],
)
def test_each_outcome_of_a_look_up_has_its_next_step(
    about: str, outcome: outcomes.Outcome, step: type
) -> None:
    doubtful = replace(after(event("awarded")), doubt=Doubt(about, EPOCH))  # type: ignore[arg-type]
    observed = learned(doubtful, LookUp((WHO.email,)), outcome, LATER)
    assert isinstance(next_step(observed, LATER), step)
    assert bool(observed.refused) == (about == "duplicate" and outcome == outcomes.Absent())


def test_a_duplicate_that_does_not_show_yet_is_looked_up_once_more_before_it_is_a_letter() -> None:
    refused = learned(after(event("awarded")), ISSUE, outcomes.AlreadyIssued("422: already"), EPOCH)
    assert isinstance(next_step(refused, EPOCH), LookUp)
    unseen = learned(refused, LookUp((WHO.email,)), outcomes.Absent(), SOON)
    assert next_step(unseen, SOON) == Wait(25.0)
    assert isinstance(next_step(unseen, LATER), LookUp)
    assert learned(unseen, LookUp((WHO.email,)), outcomes.Absent(), LATER).refused


def test_a_doubt_of_a_former_owner_is_as_old_as_the_takeover() -> None:
    trust = Trust(since=SOON)
    intended = intend(after(event("awarded")), ISSUE, EPOCH - timedelta(minutes=10))
    assert next_step(intended, SOON, trust=trust, allows_duplicates=True) == Wait(60.0)
    absent = learned(intended, LookUp((WHO.email,)), outcomes.Absent(), SOON, trust)
    assert next_step(desire(absent, event("revoked")), SOON, trust=trust) == Wait(60.0)


CROSSED = intend(after(event("awarded")), ISSUE, EPOCH)
SOON = EPOCH + timedelta(seconds=5)


def test_a_call_that_would_undo_what_is_desired_is_waited_for() -> None:
    revoked = desire(CROSSED, event("revoked"))
    assert next_step(revoked, SOON) == Wait(55.0)
    assert isinstance(next_step(revoked, LATER), LookUp)
    awarded = desire(intend(holding(event("revoked")), Revoke("c-1"), EPOCH), event("awarded", generation=2))
    assert next_step(awarded, SOON) == Wait(55.0)
    assert isinstance(next_step(awarded, LATER), LookUp)


def test_a_badge_is_held_until_a_second_one_on_its_way_has_been_refused() -> None:
    absent = learned(CROSSED, LookUp((WHO.email,)), outcomes.Absent(), SOON)
    assert next_step(absent, SOON) == ISSUE
    issued = learned(intend(absent, ISSUE, SOON), ISSUE, outcomes.Issued("c-2", "pending"), SOON)
    assert done(issued)
    revoked = desire(issued, event("revoked"))
    assert next_step(revoked, SOON) == Wait(55.0)
    assert next_step(revoked, LATER) == Revoke("c-2")
    assert done(learned(revoked, Revoke("c-2"), outcomes.Revoked(), LATER))


def test_a_revocation_on_its_way_is_looked_up_behind_a_new_award() -> None:
    intended = intend(holding(event("revoked")), Revoke("c-1"), EPOCH)
    found = learned(intended, LookUp((WHO.email,)), outcomes.Found("c-1", "pending"), SOON)
    awarded = desire(found, event("awarded", generation=2))
    assert next_step(awarded, SOON) == Wait(55.0)
    gone = learned(awarded, LookUp((WHO.email,)), outcomes.Absent(), LATER)
    assert isinstance(next_step(gone, LATER), Issue)


def test_a_badge_is_not_forgotten_before_a_call_on_its_way_has_arrived() -> None:
    absent = learned(CROSSED, LookUp((WHO.email,)), outcomes.Absent(), SOON)
    assert next_step(forget(absent, SOON), SOON) == Wait(55.0)
    assert next_step(forget(absent, SOON), LATER) == Trace((WHO.email,))


def test_what_changed_during_a_call_is_what_counts_after_it() -> None:
    intended = intend(after(event("awarded")), ISSUE, EPOCH)
    crossed = desire(intended, event("revoked"))
    issued = learned(crossed, ISSUE, outcomes.Issued("c-1", "pending"), EPOCH)
    assert next_step(issued, LATER) == Revoke("c-1")


def test_a_template_that_allows_duplicates_is_looked_up_before_its_first_issue_only() -> None:
    awarded = after(event("awarded"))
    assert next_step(awarded, LATER, allows_duplicates=True) == LookUp((WHO.email,))
    sure = learned(awarded, LookUp((WHO.email,)), outcomes.Absent(), EPOCH)
    assert next_step(sure, LATER, allows_duplicates=True) == ISSUE


EVENTS = st.builds(
    event,
    st.sampled_from(["awarded", "revoked"]),
    generation=st.integers(1, 3),
    who=st.builds(outcomes.Recipient, st.text(max_size=3), st.text(max_size=3), st.text(max_size=3)),
)
OUTCOMES = st.sampled_from(
    [
        outcomes.Issued("c-1", "pending"),
        outcomes.Revoked(),
        outcomes.Found("c-2", "accepted"),
        outcomes.Absent(),
        outcomes.AlreadyIssued("already"),
        outcomes.TemplateUnavailable("404"),
        outcomes.KeyRefused("401"),
        outcomes.Throttled("429", 1.0),
        outcomes.Deferred("503", True),
        outcomes.Refused("422"),
    ]
)


@given(st.lists(EVENTS, min_size=1, max_size=5), st.lists(OUTCOMES, max_size=5))
def test_every_issuance_survives_its_dump_and_keeps_no_more_than_it_needs(
    events: list[Word], outcomes: list[outcomes.Outcome]
) -> None:
    issuance = after(*events)
    for outcome in outcomes:
        step = next_step(issuance, LATER)
        if isinstance(step, get_args(Issue | Revoke)):
            issuance = intend(issuance, step, EPOCH)
        if isinstance(step, Issue | Revoke | LookUp):
            issuance = learned(issuance, step, outcome, EPOCH)
    assert load(orjson.loads(orjson.dumps(dump(issuance)))) == issuance
    assert (issuance.recipient is None) == (issuance.original is None) == done(issuance)


def test_every_byte_of_the_original_record_survives() -> None:
    issuance = after(event("awarded"))
    assert issuance.original is not None
    original = replace(issuance.original, value=bytes(range(256)), headers=(("a", b"\xff\0"), ("a", b"")))
    issuance = replace(issuance, original=original)
    assert load(orjson.loads(orjson.dumps(dump(issuance)))).original == original


def test_why_a_badge_is_revoked_is_kept_until_that_is_done() -> None:
    revoked = holding(replace(event("revoked"), reason="why"))
    assert load(orjson.loads(orjson.dumps(dump(revoked)))).reason == "why"
    assert learned(revoked, Revoke("c-1", "why"), outcomes.Revoked(), LATER).reason == ""
    assert forget(revoked, LATER).reason == ""


def test_another_version_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="version 2"):
        load(dump(after(event("awarded"))) | {"v": 2})


@pytest.mark.parametrize("state", ["rejected", "revoked", "expired", "deleted"])
def test_what_was_taken_back_at_the_issuer_is_done_and_still_to_be_revoked(state: str) -> None:
    taken = observe(holding(), Seen("c-1", state, LATER))
    assert (taken.held, taken.state, done(taken)) == ("c-1", state, True)
    assert next_step(desire(taken, event("revoked")), LATER) == Revoke("c-1")


def test_a_new_award_of_what_was_taken_back_is_looked_up_and_issued() -> None:
    taken = observe(holding(), Seen("c-1", "revoked", LATER))
    for again in (
        desire(desire(taken, event("revoked")), event("awarded", generation=2)),
        desire(taken, event("awarded", generation=2)),
    ):
        look_up = next_step(again, LATER)
        assert look_up == LookUp((WHO.email,), "c-1")
        assert isinstance(look_up, LookUp)
        absent = learned(again, look_up, outcomes.Absent(), LATER)
        assert next_step(absent, LATER) == ISSUE


def test_the_last_of_what_happened_at_the_issuer_counts_in_whatever_order_it_is_said() -> None:
    said = [
        Seen("c-1", state, EPOCH + timedelta(seconds=n)) for n, state in enumerate(("rejected", "accepted"))
    ]
    for order in (said, said[::-1], [*said, *said]):
        issuance = holding()
        for seen in order:
            issuance = observe(issuance, seen)
        assert issuance.state == "accepted"


def test_of_what_happened_in_one_second_it_counts_that_the_badge_was_taken_back() -> None:
    said = [Seen("c-1", state, LATER) for state in ("accepted", "revoked")]
    for order in (said, said[::-1]):
        issuance = holding()
        for seen in order:
            issuance = observe(issuance, seen)
        assert issuance.state == "revoked"


@pytest.mark.parametrize(
    "issuance",
    [
        after(event("awarded")),
        holding(),
        holding(event("revoked")),
        replace(holding(), refused="why"),
        forget(holding(), LATER),
        replace(holding(), renews=True),
    ],
)
@pytest.mark.parametrize("state", ["pending", "accepted", "revoked"])
def test_what_happens_to_another_badge_changes_nothing_that_is_to_be_done(
    issuance: Issuance, state: str
) -> None:
    seen = observe(issuance, Seen("another", state, LATER))
    assert next_step(seen, LATER) == next_step(issuance, LATER)
    assert (seen.held, seen.state, done(seen)) == (issuance.held, issuance.state, done(issuance))


def test_a_revocation_that_was_refused_is_over_once_somebody_revoked_the_badge() -> None:
    refused = learned(holding(event("revoked")), Revoke("c-1"), outcomes.Refused("422"), LATER)
    over = observe(refused, Seen("c-1", "revoked", LATER))
    assert (over.held, over.refused, over.past, done(over)) == (None, "", ("c-1",), True)


def test_an_answer_that_is_late_does_not_hide_what_happened_since() -> None:
    seen = observe(after(event("awarded")), Seen("c-1", "revoked", LATER))
    issued = learned(seen, ISSUE, outcomes.Issued("c-1", "pending"), LATER)
    assert (issued.state, done(issued)) == ("revoked", True)
    found = learned(seen, ISSUE, outcomes.Issued("c-2", "pending"), LATER)
    assert (found.state, found.seen) == ("pending", None)
    looked_up = learned(seen, LookUp(), outcomes.Found("c-1", "accepted"), LATER)
    assert (looked_up.state, looked_up.seen) == ("accepted", None)
