"""An issuer that issues by itself, without a call: in virtual time."""

from dataclasses import replace
from typing import Any

import pytest

from streams.issuers.issuer import Award, Cause, Revocation, Steps, Wanted, at_once
from streams.issuers.known import ISSUERS
from streams.issuers.outcomes import Erased, EraseOutcome, Issued, IssueOutcome, Revoked, RevokeOutcome
from streams.issuers.webhook.issuer import Webhook
from tests.relay.simulated import WEBHOOK
from tests.relay.world import World, event, play


class Local(Webhook):
    """Holds what it is asked to, and needs nobody for it."""

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        return at_once(Issued(award.cause.decision, "issued"))

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        return at_once(Revoked())

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        return at_once(Erased(wholly=True))


def test_what_needs_no_call_needs_no_intent_and_leaves_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ISSUERS, "local", Local())

    async def scenario(here: World) -> None:
        save, doubts = here.store.save, list[object]()

        async def saving(changes: Any) -> Any:
            saved = await save(changes)
            doubts.extend(issuance.doubt for issuance in saved)
            return saved

        here.store.save = saving  # type: ignore[assignment,method-assign]
        for generation in (1, 2):
            await here.follows(event("awarded", generation=generation))
            assert here.issuance().held == event("awarded", generation=generation).decision
            await here.follows(event("revoked", generation=generation))
            assert here.issuance().held is None
        here.forget(1)
        await here.settled()
        assert not here.store.table
        assert doubts
        assert not any(doubts)
        assert not here.simulator.journal

    play(scenario, simulated=replace(WEBHOOK, provider="local"))
