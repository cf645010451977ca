"""A simulated issuer without any network: its journal, and trouble on demand."""

import itertools
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from streams.sandbox.issuers.calls import Entry, Incoming, RefusalError, Reply
from streams.sandbox.issuers.faults import Fault, Schedule, body_of


class Simulator:
    """What every simulated issuer does with a call; what the issuer itself does is in its own class.

    `now` gives its time in seconds, `draw` its random numbers from 0 to 1.
    """

    def __init__(self, now: Callable[[], float] = time.time, draw: Callable[[], float] | None = None) -> None:
        self.journal: list[Entry] = []
        self._schedule = Schedule(draw or random.Random(7).random)
        self._now = now
        self._numbers = itertools.count(1)

    def schedule(self, faults: Iterable[Fault]) -> None:
        """Make these faults from now on, and no others."""
        self._schedule.set(faults)

    def happened(self, index: int) -> int:
        """How often the schedule's fault at this index has been made."""
        return self._schedule.made(index)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a call."""
        call = self._incoming(method, target, headers, body)
        number, at = next(self._numbers), self._now()
        entry = Entry(number, at, call.organization, call.endpoint, method, call.path, 0, False)
        fault = self._schedule.due(call)
        if fault is not None and fault.kind in ("error", "reset_before"):
            return self._fail(entry, fault, call)
        try:
            reply, entry = self._answer(call, entry)
        except RefusalError as refusal:
            reply = self._refused(refusal)
        if fault is not None and fault.kind in ("lost", "reset_after"):
            return self._fail(entry, fault, call)
        self.journal.append(replace(entry, status=reply.status, fault=fault.kind if fault else ""))
        delay = self.latency + (fault.seconds if fault is not None else 0.0)
        return replace(reply, delay=delay)

    def slow_before(self, method: str, target: str, body: bytes = b"") -> float:
        """Seconds to wait before `handle` is called; faults of this kind count their calls here."""
        fault = self._schedule.due(self._incoming(method, target, {}, body), before=True)
        return fault.seconds if fault is not None else 0.0

    @property
    def latency(self) -> float:
        """Seconds that each answer takes."""
        return 0.0

    def _incoming(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Incoming:
        """The call in an HTTP request."""
        raise NotImplementedError

    def _answer(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        """Do what the call wants; raise `RefusalError` where it is not to be done."""
        raise NotImplementedError

    def _refused(self, refusal: RefusalError) -> Reply:
        """How a refusal is put."""
        raise NotImplementedError

    def _fail(self, entry: Entry, fault: Fault, call: Incoming) -> Reply:
        reset = fault.kind.startswith("reset")
        self.journal.append(replace(entry, status=0 if reset else fault.status, fault=fault.kind))
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        return Reply(fault.status, body_of(fault, call), headers, self.latency + fault.seconds, reset)
