"""The reconciler against the simulator, in virtual time."""

from tests.relay.virtual import in_virtual_time
from tests.relay.world import TEMPLATE, event, world


def test_an_award_is_issued_and_a_revocation_revokes_it() -> None:
    async def scenario() -> None:
        async with world() as here:
            here.say(event("awarded"))
            await here.settled()
            assert here.held() == [(TEMPLATE, "1")]
            here.say(event("revoked"))
            await here.settled()
            assert here.held() == []

    in_virtual_time(scenario())
