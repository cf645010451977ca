"""Reads badge events through the real `edx-event-bus-kafka` or `-redis`; runs in the environment of `venv`.

Prints a JSON line for each that reaches a receiver, until it is ended. Arguments: the consumer group, and the
`ADDRESS` of `services`.
"""

import json
import sys
from typing import Any

from tests.openedx.services import configure

group, *address = sys.argv[1:]
configure(address, service="credentials")

from openedx_events.event_bus import make_single_consumer  # noqa: E402
from openedx_events.learning.signals import BADGE_AWARDED, BADGE_REVOKED  # noqa: E402


def tell(signal: Any, sender: Any, badge: Any, metadata: Any, **_: Any) -> None:
    received = {
        "type": metadata.event_type,
        "id": str(metadata.id),
        "time": metadata.time.isoformat(),
        "badge": badge.uuid,
        "learner": badge.user.id,
        "name": badge.user.pii.name,
        "template": badge.template.uuid,
        "origin": badge.template.origin,
    }
    print(json.dumps(received), flush=True)


BADGE_AWARDED.connect(tell)
BADGE_REVOKED.connect(tell)
# Redis's must be told to begin with what was sent before.
more = {"consumer_name": "the-only", "check_backlog": True} if address[0] == "redis" else {}
make_single_consumer(topic="learning-badges-lifecycle", group_id=group, **more).consume_indefinitely()
