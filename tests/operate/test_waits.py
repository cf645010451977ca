"""What waits for the issuers is counted by organization."""

from dataclasses import replace

from streams.operate.waits import Waits
from streams.relay.issuance import WITHHELD, desire
from tests.relay.world import event


def test_what_an_issuer_has_made_and_does_not_publish_is_counted_by_itself() -> None:
    waiting = desire(None, event("awarded"))
    withheld = replace(waiting, held="x", state=WITHHELD, sure=True)
    waits = Waits(None)

    for issuance in (waiting, withheld, replace(withheld, state="accepted")):
        waits.add(issuance)

    [told] = waits.by_organization
    assert (told.waits, told.withheld) == (2, 1)
