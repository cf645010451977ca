"""Whose badge it is: several sites at an organization, badges issued by hand, accounts of one person."""

import asyncio
from dataclasses import replace

import pytest

from streams.issuers.outcomes import Found, Proof
from streams.relay.doubt import Doubt
from streams.relay.issuance import KEPT, Kind, desire, learned
from streams.relay.ownership import Adopted, Ownership
from streams.relay.steps import LookUp
from streams.sandbox.credly import CredlyBadge, Fault, Manners
from tests.relay.virtual import EPOCH
from tests.relay.world import ORGANIZATION, TEMPLATE, World, event, in_world, play, recipient

BY_HAND = "00000000-0000-4000-8000-00000000000a"
ADA = "ada@example.org"


def at_credly(
    here: World, *, earner: str, email: str = "user1@example.org", state: str = "accepted", id: str = BY_HAND
) -> CredlyBadge:
    """A badge that is not of this site's making."""
    badge = CredlyBadge(id, ORGANIZATION, TEMPLATE, email, "Ada", "L", earner, "2025-01-01", None, state)
    here.credly._books.add(badge, here.credly._now())
    return badge


async def lives_through_it_all(here: World, learner: int) -> None:
    """A learner's badge is awarded, revoked, awarded again, and forgotten."""
    for kind, generation in (("awarded", 1), ("revoked", 1), ("awarded", 2)):
        await here.follows(event(kind, learner, generation))  # type: ignore[arg-type]
    here.forget(learner)
    await here.settled()


@pytest.mark.parametrize(
    ("prefix", "adopted", "earner", "email"),
    [
        ("", "keep", "42", "someone@else.example"),
        ("", "manage", "42", "someone@else.example"),
        # A clone has the same people under the same ids.
        ("", "keep", "42", "user42@example.org"),
        ("", "manage", "a:42", "user42@example.org"),
        ("b:", "keep", "a:42", "someone@else.example"),
        ("b:", "keep", "a:42", "user42@example.org"),
        ("b:", "manage", "a:42", "user42@example.org"),
        ("b:", "manage", "42", "someone@else.example"),
    ],
)
def test_another_sites_badge_is_never_touched(prefix: str, adopted: Adopted, earner: str, email: str) -> None:
    async def scenario(here: World) -> None:
        badge = at_credly(here, earner=earner, email=email)

        await lives_through_it_all(here, 42)

        assert here.credly.badges[badge.id].state == "accepted"
        assert not list(here.store.scan())

    play(scenario, ownership=Ownership(prefix, adopted))


@in_world(ownership=Ownership("b:"))
async def test_each_of_two_sites_has_its_own_badge_of_learner_42(here: World) -> None:
    at_credly(here, earner="a:42", email="someone@else.example")

    await here.follows(event("awarded", 42))

    assert here.held() == [(TEMPLATE, "a:42"), (TEMPLATE, "b:42")]
    await here.follows(event("revoked", 42))
    assert here.held() == [(TEMPLATE, "a:42")]
    here.forget(42)
    await here.settled()
    assert [badge.earner for badge in here.credly.badges.values()] == ["a:42"]


@in_world()
async def test_a_duplicate_under_another_address_goes_to_the_dead_letters_with_what_was_found(
    here: World,
) -> None:
    at_credly(here, earner="42", email="someone@else.example")

    await here.follows(event("awarded", 42))

    [letter] = here.store.letters
    assert letter.why.endswith("(and a look-up finds 1 that nothing shows to be the learner's)")
    assert here.issuance(42).held is None


@in_world(ownership=Ownership("b:"))
async def test_what_was_issued_before_the_site_had_a_prefix_is_found_by_its_address(here: World) -> None:
    at_credly(here, earner="1")

    await here.follows(event("awarded"))

    assert here.issuance().held == BY_HAND
    assert here.issuance().adopted


@in_world(ownership=Ownership("b:"))
async def test_an_earner_id_of_this_site_is_its_own_whatever_the_address(here: World) -> None:
    at_credly(here, earner="b:1", email="old@address.example")

    await here.follows(event("awarded"))

    assert not here.issuance().adopted
    await here.follows(event("revoked"))
    assert here.held() == []


@in_world()
async def test_the_only_badge_of_another_address_is_not_the_learners(here: World) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    here.credly.manners = Manners(ignored_filters=frozenset(("recipient_email_all",)))
    at_credly(here, earner="", email="bob@example.org")

    await here.follows(event("awarded", who=recipient(1, email=ADA)))
    await here.follows(event("revoked", who=recipient(1, email=ADA)))

    assert [(badge.email, badge.state) for badge in here.credly.badges.values()] == [
        ("bob@example.org", "accepted"),
        (ADA, "revoked"),
    ]


@in_world()
async def test_a_badge_that_a_person_issued_is_adopted_and_kept(here: World) -> None:
    badge = at_credly(here, earner="")

    await here.follows(event("awarded"))
    assert (here.issuance().held, here.issuance().adopted) == (badge.id, True)
    await here.follows(event("revoked"))
    assert here.issuance().state == KEPT
    await here.follows(event("awarded", generation=2))
    here.restart()
    here.forget(1)
    await here.settled()

    assert here.credly.badges[badge.id].state == "accepted"
    assert here.calls("revoke", "erase") == []
    assert not here.store.letters


@in_world(ownership=Ownership(adopted="manage"))
async def test_a_site_may_manage_what_was_adopted(here: World) -> None:
    badge = at_credly(here, earner="")
    await here.follows(event("awarded"), event("awarded", 2))

    await here.follows(event("revoked"))
    assert here.credly.badges[badge.id].state == "revoked"
    here.forget(1)
    await here.settled()

    assert badge.id not in here.credly.badges
    assert here.held() == [(TEMPLATE, "2")]


@pytest.mark.parametrize("lag", [0.0, 20.0])
@pytest.mark.parametrize("earner", ["b:1", ""])
@pytest.mark.parametrize("first", ["awarded", "revoked"])
@in_world(ownership=Ownership("b:", "manage"))
async def test_a_learner_who_holds_a_badge_several_times_holds_none_after_its_revocation(
    here: World, first: Kind, earner: str, lag: float
) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    several = [at_credly(here, earner=earner, id=f"{BY_HAND[:-1]}{n}") for n in range(3)]
    other = at_credly(here, earner="b:2", email="other@example.org", id=f"{BY_HAND[:-1]}9")
    await asyncio.sleep(60)
    here.credly.manners = Manners(list_lag=lag, badge_lag=lag)

    await here.follows(event(first))
    await here.follows(event("revoked"))

    assert {badge.state for badge in several} == {"revoked"}
    assert other.state == "accepted"
    assert len(here.calls("revoke")) == 3
    assert not here.store.letters


@in_world(ownership=Ownership("b:"))
async def test_of_several_badges_the_adopted_one_is_kept(here: World) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    own = at_credly(here, earner="b:1", id=f"{BY_HAND[:-1]}1")
    adopted = at_credly(here, earner="", id=f"{BY_HAND[:-1]}2")
    await here.follows(event("awarded"))

    await here.follows(event("revoked"))

    assert (own.state, adopted.state) == ("revoked", "accepted")
    assert here.issuance().state == KEPT


@pytest.mark.parametrize("restarted", [False, True])
@in_world(ownership=Ownership(adopted="manage"))
async def test_of_two_accounts_of_one_address_the_first_has_the_badge_that_is_there(
    here: World, restarted: bool
) -> None:
    at_credly(here, earner="", email=ADA)
    await here.follows(event("awarded", 1, who=recipient(1, email=ADA)))
    if restarted:
        here.restart()

    await here.follows(event("awarded", 2, who=recipient(2, email=ADA)))
    assert here.issuance(1).held == BY_HAND
    assert here.issuance(2).held is None
    await here.follows(event("revoked", 2, who=recipient(2, email=ADA)))

    assert len(here.held()) == 1
    assert len(here.store.letters) == 1


@pytest.mark.parametrize("kind", ["lost", "reset_after"])
@in_world()
async def test_an_issue_whose_answer_was_lost_is_the_relays_own(here: World, kind: str) -> None:
    here.credly.schedule([Fault(kind, call="issue", last=1)])  # type: ignore[arg-type]
    await here.follows(event("awarded"))

    assert not here.issuance().adopted
    await here.follows(event("revoked"))
    assert here.held() == []


@in_world()
async def test_an_issue_whose_answer_was_lost_is_found_under_the_address_it_was_made_to(here: World) -> None:
    here.credly.schedule([Fault("lost", call="issue", last=1)])
    here.say(event("awarded", who=recipient(1, email="old@example.org")))
    await here.until(lambda: here.issuance().doubt is not None)

    await here.follows(event("revoked", who=recipient(1, email="new@example.org")))

    assert here.held() == []
    assert len(here.credly.badges) == 1


@in_world()
async def test_a_revocation_whose_answer_was_lost_needs_no_address(here: World) -> None:
    await here.follows(event("awarded"))
    here.credly.schedule([Fault("reset_before", call="revoke", last=1)])

    await here.follows(event("revoked", who=recipient(1, email="new@example.org")))

    assert here.held() == []


@in_world()
async def test_to_forget_a_learner_deletes_what_was_issued_and_revoked_before(here: World) -> None:
    for generation in (1, 2, 3):
        await here.follows(event("awarded", generation=generation))
        await here.follows(event("revoked", generation=generation))
    other = at_credly(here, earner="1", email="someone@else.example")

    here.forget(1)
    await here.settled()

    assert list(here.credly.badges) == [other.id]


@pytest.mark.parametrize(
    ("by", "about", "adopted"),
    [
        ("site", "duplicate", False),
        ("earner", "duplicate", True),
        ("address", "duplicate", True),
        ("earner", "issue", False),
        ("address", "issue", True),
    ],
)
def test_what_is_found_is_adopted_unless_the_relay_may_have_issued_it(
    by: Proof, about: str, adopted: bool
) -> None:

    doubtful = replace(desire(None, event("awarded")), doubt=Doubt(about, EPOCH))  # type: ignore[arg-type]

    assert learned(doubtful, LookUp(), Found("c-1", "accepted", by), EPOCH).adopted == adopted


def test_a_sites_earner_ids_tell_its_learners_from_other_sites() -> None:
    assert Ownership("b:").earner(42) == "b:42"
    assert [Ownership("b:").learner(earner) for earner in ("b:42", "42", "", "a:42", "bb:42")] == [
        "42",
        "42",
        "",
        None,
        None,
    ]
