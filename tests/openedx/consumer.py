"""Reads badge events through the real `edx-event-bus-kafka`; runs in the environment that `venv` makes.

Prints a JSON line for each that reaches a receiver, until it is ended. Arguments: bootstrap servers, URL of
the registry, topic prefix, consumer group.
"""

import json
import sys
from typing import Any

from tests.openedx.services import configure

configure(*sys.argv[1:4], service="credentials")

from edx_event_bus_kafka.internal.consumer import KafkaEventConsumer  # noqa: E402
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
KafkaEventConsumer("learning-badges-lifecycle", sys.argv[4]).consume_indefinitely()
