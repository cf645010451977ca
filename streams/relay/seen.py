"""What an issuer says has happened, on its way to who owns the badge (decision 0100).

A record of the decisions with the header `order: seen`: under the badge's id where the issuer says whose it
is, else, without a key, one to every partition.

```
{"held": …, "state": …, "at": …}
{"template": …}
```

`held` is the issuer's id of the badge, `template` ours.
"""

from dataclasses import dataclass
from datetime import datetime

import orjson

from streams.badges import parse_time
from streams.errors import UnreadableError


@dataclass(frozen=True, slots=True)
class Seen:
    """In what state a badge is at its issuer since then, by the issuer's id."""

    badge: str
    state: str
    at: datetime


def line(said: Seen | str) -> bytes:
    """The value of such a record: of a badge, or of a template."""
    if isinstance(said, str):
        return orjson.dumps({"template": said})
    return orjson.dumps({"held": said.badge, "state": said.state, "at": said.at})


def said_in(value: bytes) -> Seen | str:
    """What such a record says: of a badge, or of a template; raise `UnreadableError` for another."""
    try:
        said = orjson.loads(value)
        if "template" in said:
            return str(said["template"])
        at = parse_time(said["at"])
        if at is None:
            raise ValueError(said)
        return Seen(str(said["held"]), str(said["state"]), at)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnreadableError("bad_badge", "not what an issuer says of a badge") from None
