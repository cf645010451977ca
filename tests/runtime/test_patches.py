"""What of aiokafka and Faust is replaced: not by an import, and only as long as upstream needs it."""

import json
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import errors
from aiokafka.producer.sender import Sender
from aiokafka.record.memory_records import MemoryRecords

from streams.runtime import patches
from streams.runtime.patches import SUBCLASSED, SWAPPED, PatientSender, Replaced

WHAT_IS_THERE = """
import json, pkgutil, sys
import streams.cli, streams.relay.agents, streams.runtime.worker, streams.tracker.agents
from streams.runtime import patches
if "apply" in sys.argv:
    patches.apply()
there = {replaced.part: pkgutil.resolve_name(replaced.part) for replaced in patches.SWAPPED}
print(json.dumps({part: repr(what) for part, what in there.items()}))
"""


def test_importing_a_worker_swaps_nothing() -> None:
    pristine, imported = _there("pristine"), _there("imported")

    assert imported == pristine
    assert not any("streams" in what for what in imported.values())


def test_applying_swaps_every_part_once_for_all() -> None:
    ours = {replaced.part: repr(pkgutil.resolve_name(replaced.ours)) for replaced in SWAPPED}

    assert _there("apply") == ours


@pytest.mark.parametrize("replaced", SUBCLASSED, ids=lambda replaced: replaced.part)
def test_ours_is_a_subclass_of_the_part_it_stands_for(replaced: Replaced) -> None:
    assert issubclass(pkgutil.resolve_name(replaced.ours), pkgutil.resolve_name(replaced.part))


@pytest.mark.parametrize("replaced", [*SWAPPED, *SUBCLASSED], ids=lambda replaced: replaced.part)
def test_a_test_that_is_named_is_there(replaced: Replaced) -> None:
    assert not replaced.mended.startswith("test_") or callable(globals()[replaced.mended])


def test_aiokafka_keeps_the_bytes_of_a_fetch_to_itself() -> None:
    records = MemoryRecords(b"")

    assert not any(hasattr(records, name) for name in ("raw", "_buffer", "buffer"))


def test_aiokafka_waits_long_between_transactions() -> None:
    upstream = float(_there("pristine")["aiokafka.producer.sender:BACKOFF_OVERRIDE"])

    assert upstream > patches.BACKOFF_SECONDS


async def test_aiokafka_gives_up_where_the_connection_to_a_coordinator_is_lost() -> None:
    client = Coordinators(errors.KafkaConnectionError("lost"))

    with pytest.raises(errors.KafkaError):
        await _sender(Sender, client)._find_coordinator(0, "group")


async def test_a_patient_sender_looks_again_where_the_connection_was_lost() -> None:
    client = Coordinators(errors.KafkaConnectionError("lost"))

    assert await _sender(PatientSender, client)._find_coordinator(0, "group") == 7
    assert client.refreshed == 1


async def test_a_patient_sender_takes_a_refusal_for_one() -> None:
    client = Coordinators(errors.TransactionalIdAuthorizationFailed("no"))

    with pytest.raises(errors.TransactionalIdAuthorizationFailed):
        await _sender(PatientSender, client)._find_coordinator(1, "id")


def test_a_topic_of_faust_cannot_name_itself_where_it_is_several() -> None:
    several = faust.App("test-topics", broker="kafka://").topic("one", "two")

    with pytest.raises(ValueError, match="multiple"):
        several.get_topic_name()


class Coordinators:
    """A client that fails once, and then finds the coordinator."""

    def __init__(self, failure: Exception) -> None:
        self.refreshed = 0
        self._failures = [failure]

    async def coordinator_lookup(self, *_: object) -> int:
        if self._failures:
            raise self._failures.pop()
        return 7

    async def ready(self, *_: object, **__: object) -> bool:
        return True

    async def force_metadata_update(self) -> None:
        self.refreshed += 1


def _sender(kind: type[Any], client: Coordinators) -> Any:
    transactions = SimpleNamespace(transactional_id="id")
    return kind(
        client,
        acks=-1,
        txn_manager=transactions,
        message_accumulator=None,
        retry_backoff_ms=0,
        request_timeout_ms=1_000,
    )


def _there(how: str) -> Mapping[str, str]:
    """What is where the swapped parts are, in a process of its own."""
    text = WHAT_IS_THERE
    if how == "pristine":
        text = f"import json, pkgutil\nparts = {[replaced.part for replaced in SWAPPED]}\n"
        text += "print(json.dumps({part: repr(pkgutil.resolve_name(part)) for part in parts}))"
    ran = subprocess.run([sys.executable, "-c", text, how], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(ran.stdout)
    return found
