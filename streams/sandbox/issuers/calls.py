"""A call as a simulator takes it, its answer, and its entry in the journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_plus

import orjson

Endpoint = Literal["issue", "revoke", "erase", "look_up", "replace", "template", "tokens", "feed", "other"]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call: `endpoint` is what it is for, `rest` the path below the organization; both may be empty.

    `target` is the path with the query, as it was sent.
    """

    method: str
    path: str
    organization: str
    endpoint: Endpoint
    rest: tuple[str, ...]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object in the body; raises `RefusalError` if it holds none."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise RefusalError(400, {"message": "the body is no JSON object"})
        return document

    def contains(self, text: str) -> bool:
        """Whether the text is in the path, the query or the body."""
        return text in unquote_plus(self.target) or text.encode() in self.body

    def header(self, name: str) -> str | None:
        """The header's value; the case of `name` does not matter."""
        return next((v for k, v in self.headers.items() if k.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A call in the journal; `done` if it changed something, `status` 0 if no answer was given.

    `at` is the simulator's own time in seconds, `sequence` the caller's number, where it gives one.
    """

    number: int
    at: float
    organization: str
    call: Endpoint
    method: str
    path: str
    status: int
    done: bool
    fault: str = ""
    template: str = ""
    earner: str = ""
    badge: str = ""
    issued_at: str = ""
    suppressed: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer, and how: after `delay` seconds, or by breaking the connection (`reset`)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False


class RefusalError(Exception):
    """The call is refused with this status and JSON body, or with a page of HTML instead."""

    def __init__(self, status: int, body: Mapping[str, Any], page: bytes = b"") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.page = page
