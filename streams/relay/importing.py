"""Badges that another service issued, or should have, as an order to take them along (decision 0028).

A record of the decisions under the badge's id, with the header `order: import` and a line of JSON as value:

```
{"kind": "awarded", "template": …, "learner": …, "time": …, "held": …, "past": …, "state": …, "user": {…}}
```

`held` is the issuer's id of the badge if the issuer has it, `past` if it was revoked; `user` is there where
the badge is still to be issued.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from aiokafka.structs import ConsumerRecord

from streams.badges import badge_id, decision_id, parse_time
from streams.errors import UnreadableError
from streams.issuers.outcomes import Recipient
from streams.kafka.origin import origin_headers
from streams.relay.issuance import Issuance, KeptRecord, Kind, settled

GENERATION = 1
"""Of every badge that is imported: the other service knows no other."""
LONGEST = 2**63 - 1
"""A learner's id is a number of 64 bits."""


def imported(record: ConsumerRecord) -> tuple[bytes, Issuance]:
    """The badge's key and the issuance that a record brings along; raise `UnreadableError` for another."""
    try:
        value = orjson.loads(record.value)
        kind, template, learner = value["kind"], value["template"], value["learner"]
        time = parse_time(value["time"])
        held, past, state = (_text(value.get(name, "")) for name in ("held", "past", "state"))
        if kind not in ("awarded", "revoked") or type(learner) is not int or not 0 <= learner <= LONGEST:
            raise ValueError(kind)
        if time is None or (held and past):
            raise ValueError(time)
        user = value.get("user")
        who = None if user is None else Recipient(*(_text(user[name]) for name in USER))
        badge = badge_id(template, learner)
        if str(UUID(template)) != template:
            raise ValueError(template)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError("bad_badge", "no import of a badge") from None
    issuance = Issuance(
        kind=kind,
        template=template,
        learner=learner,
        rank=2 * GENERATION + (kind == "revoked"),
        decision=str(decision_id(badge, kind, GENERATION)),
        time=time,
        recipient=who,
        original=KeptRecord(record.value, (*record.headers, *origin_headers(record, 0))),
        held=held or None,
        past=(past,) if past else (),
        state=state,
        sure=bool(held or past),
    )
    return str(badge).encode(), settled(issuance)


USER = ("username", "email", "name")


def line(
    kind: Kind,
    template: str,
    learner: int,
    time: datetime,
    *,
    held: str = "",
    past: str = "",
    state: str = "",
    recipient: Recipient | None = None,
) -> bytes:
    """The value of such a record."""
    value: dict[str, Any] = {"kind": kind, "template": template, "learner": learner, "time": time}
    value |= {name: said for name, said in (("held", held), ("past", past), ("state", state)) if said}
    if recipient is not None:
        value["user"] = {name: getattr(recipient, name) for name in USER}
    return orjson.dumps(value)


def taken_along(issuance: Issuance | None, brought: Issuance) -> Issuance:
    """Take an imported badge along: own state wins.

    But where one is to be issued and no call was made yet, what the issuer holds is not issued again.
    """
    if issuance is None:
        return brought
    if not brought.held or issuance.kind != "awarded" or issuance.held or issuance.doubt or issuance.loose:
        return issuance
    known = replace(issuance, held=brought.held, state=brought.state, sure=True)
    return settled(replace(known, refused="", answer="", attempts=0, forbidden=0, failing=None))


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(found)
    return found
