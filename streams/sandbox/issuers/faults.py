"""Trouble on demand: which call meets it, and what it looks like."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import orjson

from streams.sandbox.issuers.calls import Endpoint, Incoming

HTML = b"<!DOCTYPE html><html><head><title>Oh no</title></head><body>Something went wrong</body></html>"

LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"

NGINX = """<html>\r
<head><title>{0}</title></head>\r
<body>\r
<center><h1>{0}</h1></center>\r
<hr><center>nginx</center>\r
</body>\r
</html>\r
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble for the calls from the `first` to the `last` of those that it concerns, or a share of them.

    `error` answers with `status` and does nothing; `lost` does the work and answers with `status`;
    `reset_before` and `reset_after` break the connection before and after the work; `slow` does the work at
    once and answers after `seconds`; `slow_before` waits, then does the work. `body`: what an error carries;
    `proxy` is the page of an nginx in front, `login` a form. `contains`: a text in the path or the body.
    """

    kind: Literal["error", "lost", "reset_before", "reset_after", "slow", "slow_before"]
    organization: str | None = None
    call: Endpoint | None = None
    first: int = 1
    last: int | None = None
    share: float = 1.0
    status: int = 503
    retry_after: str | None = None
    body: Literal["json", "html", "empty", "binary", "echo", "proxy", "login"] = "json"
    contains: str = ""
    seconds: float = 0.0

    def concerns(self, call: Incoming) -> bool:
        """Whether the call is one of those that the fault counts."""
        own = self.organization in (None, call.organization) and self.call in (None, call.endpoint)
        return own and call.contains(self.contains)


class Schedule:
    """The faults to make; `draw` gives numbers between 0 and 1 for those with a share."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self.set(())

    def set(self, faults: Iterable[Fault]) -> None:
        """Make these faults from now on, and no others."""
        self._faults = list(faults)
        self._counts = [0] * len(self._faults)
        self._made = [0] * len(self._faults)

    def made(self, index: int) -> int:
        """How often the fault at this index has been made."""
        return self._made[index]

    def due(self, call: Incoming, *, before: bool = False) -> Fault | None:
        """The fault that the call meets, if any; `before`: among those that delay it (`slow_before`)."""
        chosen = None
        for index, fault in enumerate(self._faults):
            if (fault.kind == "slow_before") != before or not fault.concerns(call):
                continue
            self._counts[index] += 1
            due = fault.first <= self._counts[index] <= (fault.last or sys.maxsize)
            if chosen is None and due and (fault.share >= 1.0 or self._draw() < fault.share):
                chosen = fault
                self._made[index] += 1
        return chosen


def proxy_page(status: int) -> bytes:
    """What a proxy in front says by itself, as nginx does."""
    return NGINX.format(f"{status} {HTTPStatus(status).phrase}").encode()


def body_of(fault: Fault, call: Incoming) -> bytes:
    """What the fault answers with."""
    match fault.body:
        case "json":
            return orjson.dumps({"data": {"message": "Something went wrong"}, "metadata": {}})
        case "html":
            return HTML
        case "proxy":
            return proxy_page(fault.status)
        case "login":
            return LOGIN
        case "binary":
            return b"\xff\xfe\x00\x80"
        case "empty":
            return b""
        case "echo":
            # An address and a key: what no caller may let through to its logs.
            email = call.document.get("recipient_email") if call.body else "nobody@example.org"
            message = f"user {email} with {call.header('authorization')} is not welcome"
            return orjson.dumps({"data": {"message": message}, "metadata": {}})
