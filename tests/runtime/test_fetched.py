"""What a fetch gave is parsed as it is asked for, and may be more than one unit takes."""

import asyncio
import gc
import gzip
import re
import tracemalloc
import weakref
from collections.abc import Callable
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any

import cramjam
import pytest
from aiokafka.codec import snappy_encode
from aiokafka.errors import CorruptRecordException

from streams.catalog import load_catalog
from streams.kafka import inflate
from streams.runtime.fetched import Fetched, Record, Sealed
from streams.runtime.unit import UNIT_RECORDS
from streams.sandbox import lms, publisher
from streams.sandbox.audit import audit, settled
from streams.sandbox.bus import Bus
from streams.sandbox.demo import CATALOG
from streams.sandbox.publisher import Placed, Publisher
from tests import pages
from tests.here import on_bus
from tests.runtime import fetches
from tests.runtime.fetches import batch

EVENTS = UNIT_RECORDS + 1_000
GZIP, SNAPPY, LZ4, ZSTD = CODECS = (1, 2, 3, 4)
PRODUCER = 7


def test_records_come_one_by_one_and_the_end_is_known_before() -> None:
    fetched = fetches.fetched(batch((0, 1, 2)), batch((3, 4), compression=GZIP))

    assert (fetched.position, fetched.end, fetched.done) == (0, 5, False)
    assert [record.offset for record in islice(fetched, 4)] == [0, 1, 2, 3]
    assert (fetched.position, fetched.done) == (4, False)
    assert [record.value for record in fetched] == [b"4"]
    assert (fetched.position, fetched.done) == (5, True)


def test_a_fetch_that_was_begun_within_a_batch_gives_the_rest_of_it() -> None:
    assert [record.offset for record in fetches.fetched(batch((0, 1, 2)), begin=2)] == [2]


def test_what_compaction_removed_is_passed_over() -> None:
    fetched = fetches.fetched(batch((2, 5), base=0), batch((9,), base=7))

    assert [record.offset for record in fetched] == [2, 5, 9]
    assert (fetched.position, fetched.end, fetched.done) == (10, 10, True)


def test_an_aborted_transaction_gives_nothing_and_is_done() -> None:
    fetched = fetches.fetched(batch((0, 1), producer=PRODUCER), aborted=((PRODUCER, 0),))

    assert not fetched.done
    assert list(fetched) == []
    assert (fetched.position, fetched.end, fetched.done) == (2, 2, True)


def test_a_broken_checksum_is_found_when_its_batch_is_reached() -> None:
    broken = bytearray(batch((1,)))
    broken[-2] ^= 0xFF
    fetched = fetches.fetched(batch((0,)), bytes(broken))

    assert next(iter(fetched)).offset == 0
    with pytest.raises(CorruptRecordException):
        next(iter(fetched))


@pytest.mark.parametrize("compression", [0, GZIP])
def test_a_headers_name_that_is_not_utf_8_does_not_end_the_stream(compression: int) -> None:
    odd = batch((3, 4, 5), compression=compression, name=b"ce_\xff")
    fetched = fetches.fetched(batch((0, 1, 2)), odd, batch((6,)), begin=1)

    records = list(fetched)

    assert [record.offset for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record.value for record in records] == [b"%d" % n for n in range(1, 7)]
    assert [[name for name, _ in record.headers] for record in records[2:4]] == [["ce_\\xff"]] * 2
    assert (fetched.position, fetched.done) == (7, True)


@pytest.mark.parametrize("compression", CODECS)
def test_a_compressed_batch_gives_what_aiokafka_makes_of_it(compression: int) -> None:
    raw = batch(range(3, 90, 2), base=2, compression=compression, name=b"ce_id")
    assert raw[22] & 7 == compression

    ours = list(fetches.fetched(raw, batch((99,)), begin=4))

    theirs = [*fetches.records(raw, begin=4), *fetches.records(batch((99,)))]
    assert [asdict(record) for record in ours] == [
        {field.name: getattr(record, field.name) for field in fields(Record)} for record in theirs
    ]


@pytest.mark.parametrize("compression", CODECS)
def test_a_small_batch_that_unpacks_to_a_huge_one_costs_little_and_is_one_sealed_record(
    compression: int,
) -> None:
    bomb = _bomb(compression, 400_000_000 if compression != SNAPPY else 40_000_000)
    assert len(bomb) < 2_000_000
    tracemalloc.start()
    try:
        fetched = fetches.fetched(batch((0, 1)), bomb, batch((12,)))
        values = [record.value for record in fetched]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [values[0], values[1], values[3]] == [b"0", b"1", b"12"]
    assert isinstance(values[2], Sealed)
    assert values[2].error.reason == "bad_batch"
    assert values[2].error.detail.startswith("offsets 2 to 11: ")
    assert most < 4 * inflate.MOST_BYTES
    assert (fetched.position, fetched.done) == (13, True)


@pytest.mark.parametrize("compression", CODECS)
def test_a_batch_that_is_not_packed_as_it_says_is_sealed(compression: int) -> None:
    fetched = fetches.fetched(fetches.packed(range(2, 12), compression, b"\0nonsense" * 9), batch((12,)))

    sealed, after = fetched

    assert isinstance(sealed.value, Sealed)
    assert after.value == b"12"


def test_a_sealed_batch_of_an_aborted_transaction_gives_nothing() -> None:
    bomb = fetches.packed(range(2, 12), GZIP, b"nonsense", producer=PRODUCER)

    assert list(fetches.fetched(bomb, aborted=((PRODUCER, 2),))) == []


def test_what_is_dropped_gives_nothing_and_is_gone_without_the_collector() -> None:
    records = fetches.records(batch((0, 1)), batch((2,)))
    gone = weakref.ref(records)
    fetched = Fetched(records)
    next(iter(fetched))
    gc.disable()
    try:
        fetched.drop()
        assert list(fetched) == []
        del fetched, records
        assert gone() is None
    finally:
        gc.enable()


async def test_a_fetch_of_more_records_than_a_unit_takes_is_worked_off_in_several(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given a backlog that compression makes so small that one fetch holds it
    badges = {"BADGES_BADGE_TOPIC": f"{app_prefix}-badges-of-ours"}
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=1, **badges)
    await asyncio.to_thread(commands.run, "topics", "--create", "--all")
    press = Publisher(await publisher.register(sandbox.registry, app_prefix), app_prefix, seed=1)
    placed: list[Placed] = []
    emissions = press.publish(lms.recalculations(1, EVENTS, learners=50, courses=20))
    await publisher.emit(sandbox.kafka, emissions, placed=placed.extend, compression_type="gzip")
    source = placed[0].emission.topic
    # when
    tracker = commands.start("tracker", log=tmp_path / "log")
    try:
        await settled(commands.parsed, placed, within=60)
        page = (await asyncio.to_thread(pages.read, tracker.log.read_text(), "metrics")).decode()
    finally:
        tracker.kill()
    # then
    assert _counted(page, "badges_records_read_total", source) == EVENTS
    # Two by their number of records; a busy machine ends some earlier, by time.
    assert _counted(page, "badges_commits_total", source) >= 2
    verdict = await audit(commands.parsed, load_catalog(CATALOG.read_bytes()).compiled, placed)
    assert {name: places for name, places in verdict.faults.items() if places} == {}
    assert verdict.activities


def _bomb(compression: int, size: int) -> bytes:
    """A batch at offsets 2 to 11 whose records are said to be `size` zeros."""
    zeros = bytes(size)
    pack: dict[int, Callable[[bytes], Any]] = {
        GZIP: gzip.compress,
        SNAPPY: snappy_encode,
        LZ4: cramjam.lz4.compress,
        ZSTD: cramjam.zstd.compress,
    }
    return fetches.packed(range(2, 12), compression, bytes(pack[compression](zeros)))


def _counted(metrics: str, name: str, topic: str) -> int:
    found = re.findall(rf'^{name}{{(?:.*,)?topic="{topic}".*}} (\d+)', metrics, re.MULTILINE)
    return sum(map(int, found))
