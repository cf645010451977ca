"""One call to an issuer, and what came back: values, without any network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Call = Literal["issue", "revoke", "look_up", "erase", "template", "list", "tokens"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `path` stands behind the base URL and carries the query; `hidden` must never be told."""

    call: Call
    method: str
    path: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    page: int = 1

    @property
    def headers(self) -> dict[str, str]:
        """The headers, but for the authorization."""
        accept = {"Accept": "application/json"}
        return accept if self.body is None else accept | {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back. `sent` is true where the request may have reached Credly; `why` names a kind."""

    why: str
    sent: bool
