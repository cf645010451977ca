"""A request to an issuer's web service and its answer: values, and what they mean with every issuer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from streams.issuers.outcomes import Deferred, Forbidden, KeyRefused, Refused, Throttled, Trouble
from streams.issuers.words import quoted

CALL_SECONDS = 30.0
"""A whole call, from connecting to the last byte; gateways give up earlier, and a relay waits for its end."""
LONGEST_WAIT = 3_600.0
"""What `Retry-After` may ask for: a longer one is more likely a mistake, and a call an hour harms nobody."""
UNSENT = frozenset({404, 407, 421, 425, 429})
"""Statuses below 500 that pass by themselves; the issuer has done nothing. What an issuer does not know is
read by each call: any other 404 is that of a proxy, or of a wrong place."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)

_SECONDS = re.compile(r"\d{1,300}(\.\d{1,300})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """`path` follows the base URL and includes the query; `hidden` must never be quoted.

    `key`: the same for the same request however often it is made, where the issuer looks at that.
    """

    method: str
    path: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    key: str = ""
    type: str = "application/json"

    @property
    def headers(self) -> dict[str, str]:
        """The headers, except those that the key makes."""
        accept = {"Accept": "application/json"}
        return accept if self.body is None else accept | {"Content-Type": self.type}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is, and when. `hidden` must never be quoted from it.

    `whole` is false where the body broke off: the status was said, but not why.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    at: datetime = LONG_AGO
    whole: bool = True

    @property
    def said(self) -> str:
        """Its words, fit to be quoted."""
        return quoted(self.body, self.hidden)

    @property
    def why(self) -> str:
        """Its status and its words, fit to be quoted."""
        return f"{self.status}: {self.said}"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back. `sent`: the request may have reached the issuer; `why` names a kind of failure."""

    why: str
    sent: bool


def trouble(answer: Answer, now: datetime) -> Trouble:
    """What an answer means with every issuer, if it is not what the call is made for.

    `now` is what dates in `Retry-After` are compared with.
    """
    status = answer.status
    if status == 401:
        return KeyRefused(answer.why)
    if status == 403:
        return Forbidden(answer.why)
    if status == 429:
        return Throttled(answer.why, _retry_after(answer, now))
    # Who sends elsewhere (303 "see other") may have done it before.
    if 200 <= status < 400 or status >= 500 or status == 408:
        return Deferred(answer.why, ambiguous=True, wait=_retry_after(answer, now))
    if status < 200 or status in UNSENT:
        return Deferred(answer.why, ambiguous=False, wait=_retry_after(answer, now))
    if not answer.whole:
        # The words would have said whether it is for good, or a badge that is there already (decision 0106).
        return Deferred(f"{status}: the answer breaks off", ambiguous=True)
    return Refused(answer.why)


def _retry_after(answer: Answer, now: datetime) -> float | None:
    value = next((v for k, v in answer.headers.items() if k.lower() == "retry-after"), "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)
