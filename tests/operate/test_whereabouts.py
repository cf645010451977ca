"""Where a badge is, in words, for each state that the relay's table can have it in."""

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.catalog import CatalogDocument, load_catalog
from streams.issuers import outcomes
from streams.operate.reconcile import open_ends
from streams.operate.whereabouts import Issuances
from streams.relay.failing import Failing
from streams.relay.issuance import Issuance, desire, forget, learned
from streams.relay.steps import Issue, Revoke
from tests.relay.badge_bus import catalog
from tests.relay.virtual import EPOCH
from tests.relay.world import ORGANIZATION, OTHER_TEMPLATE, TEMPLATE, badge_id, event, recipient

BADGE = badge_id(1)
ISSUE = Issue(recipient(1), EPOCH)
WAITING = desire(None, event("awarded"))
HELD = learned(WAITING, ISSUE, outcomes.Issued("c-1", "pending"), EPOCH)
REFUSED = learned(WAITING, ISSUE, outcomes.Refused("422: no"), EPOCH)
LACKING = desire(None, event("awarded", who=recipient(1, email="")))
REVOKED = learned(desire(HELD, event("revoked")), Revoke("c-1"), outcomes.Revoked(), EPOCH)
KEY = learned(WAITING, ISSUE, outcomes.KeyRefused("401: who are you"), EPOCH)
ALONE = replace(
    learned(WAITING, ISSUE, outcomes.Deferred("503", False), EPOCH), failing=Failing(EPOCH, EPOCH)
)
DELETED = learned(forget(HELD, EPOCH), ISSUE, outcomes.Deferred("503", False), EPOCH)


def document(template: str = TEMPLATE) -> CatalogDocument:
    return load_catalog(catalog("http://127.0.0.1:1", {ORGANIZATION: [template]}))


def where(issuance: Issuance, template: str = TEMPLATE, decision: str = "") -> str:
    return Issuances({BADGE: issuance}, relay=True).where(BADGE, document(template), decision)


@pytest.mark.parametrize(
    ("issuance", "words"),
    [
        (HELD, ("issued as c-1", "pending", EPOCH.isoformat())),
        (REVOKED, ("revoked",)),
        (desire(WAITING, event("revoked")), ("never issued",)),
        (REFUSED, ("refused", "422: no", "reissue")),
        (LACKING, ("to be issued", "the learner's e-mail address is not known")),
        (WAITING, ("to be issued", "waits")),
        (KEY, ("to be issued", "401: who are you")),
        (desire(HELD, event("revoked")), ("to be revoked",)),
        (
            ALONE,
            ("to be issued", "it alone fails", EPOCH.isoformat(), "dead letter", "503"),
        ),
        (DELETED, ("to be deleted", "503", "tried 1 times")),
    ],
)
def test_each_state_has_its_words(issuance: Issuance, words: tuple[str, ...]) -> None:
    said = where(issuance)
    assert [word for word in words if word not in said] == []


def test_a_template_that_the_catalog_does_not_have_is_waited_for() -> None:
    assert "waits for a catalog" in where(WAITING, OTHER_TEMPLATE)


def test_that_the_relay_knows_only_an_earlier_decision_is_said() -> None:
    assert "not heard of the last" in where(HELD, decision=event("revoked").decision)
    assert "not heard" not in where(HELD, decision=HELD.decision)


def test_what_the_relay_has_not_heard_of_is_said_and_that_there_is_none() -> None:
    assert "not heard of it" in Issuances({}, relay=True).where(BADGE, document())
    assert "no relay" in Issuances({}, relay=False).where(BADGE, document())


@pytest.mark.parametrize(
    ("issuance", "kind"),
    [
        (HELD, None),
        (REVOKED, None),
        (REFUSED, "refused"),
        (replace(DELETED, refused="403"), "refused"),
        (LACKING, "lacking"),
        (WAITING, "late"),
        (KEY, "late"),
    ],
)
def test_what_is_not_as_desired_is_a_difference_with_its_reason(issuance: Issuance, kind: str | None) -> None:
    found = open_ends({BADGE: issuance}, document(), EPOCH + timedelta(hours=2))
    assert [difference.kind for difference in found] == ([kind] if kind else [])


def test_what_was_decided_just_now_is_not_late() -> None:
    assert list(open_ends({BADGE: WAITING}, document(), EPOCH + timedelta(minutes=59))) == []
