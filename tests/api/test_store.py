"""The store: rows found and counted, offsets with them, and nothing left of what was forgotten."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.api.questions import Questions
from streams.api.rows import (
    HELD,
    NONE,
    REVOKED,
    RowError,
    badge_of,
    issuance_row,
    learner_of,
    name_of,
    progress_row,
)
from streams.api.store import Batch, Place, Store
from streams.badges import Progress, badge_id
from streams.errors import ConfigurationError
from streams.kafka.consents import Consent
from streams.tracker.rows import pack
from tests.api.world import APPRENTICE, MASTER, issued, judged, passed, rows

ONE, BOTH, LOST, OTHER = (
    judged(lines)[7]
    for lines in (
        [passed(7, "kafka", 1)],
        [passed(7, "kafka", 1), passed(7, "streams", 2)],
        [passed(7, "kafka", 1), passed(7, "kafka", 2, passing=False)],
        [passed(7, "streams", 1)],
    )
)


def numbers(store: Store, template: str) -> list[tuple[int, tuple[str, ...], int]]:
    questions = Questions(store.path)
    counted = questions.counted(template)
    questions.close()
    return sorted((one.badge, tuple(sorted(one.fulfilled)), one.learners) for one in counted)


def everything(store: Store) -> bytes:
    """What is in the files, byte for byte."""
    return b"".join(file.read_bytes() for file in store.path.parent.glob("store.sqlite*"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store.sqlite", "here")
    yield made
    made.close()


@given(
    changes=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([ONE, BOTH, LOST, OTHER, None])), max_size=12
    )
)
@settings(max_examples=30, deadline=None)
def test_numbers_are_those_of_the_rows_whatever_became_of_them(
    changes: list[tuple[int, Progress | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    step = Store(tmp_path_factory.mktemp("step") / "store.sqlite", "here")
    for learner, progress in changes:
        row = None if progress is None else progress_row(pack(progress, None))
        step.apply(Batch(progress={learner: row}))
    last = {learner: progress for learner, progress in dict(changes).items() if progress}
    whole = Store(tmp_path_factory.mktemp("whole") / "store.sqlite", "here")
    whole.apply(rows(last))

    assert numbers(step, APPRENTICE) == numbers(whole, APPRENTICE)
    assert numbers(step, MASTER) == numbers(whole, MASTER)
    assert [n for n, _ in found(step)] == sorted(last)
    step.close()
    whole.close()


def found(store: Store) -> list[tuple[int, Progress]]:
    questions = Questions(store.path)
    learners = [(n, progress) for n in range(1, 4) if (progress := questions.learner(n)[0])]
    questions.close()
    return learners


def test_learners_are_found_by_what_became_of_the_badge(store: Store) -> None:
    store.apply(rows({1: ONE, 2: LOST, 3: BOTH}))

    with closing(Questions(store.path)) as questions:
        assert [n for n, _ in questions.learners(APPRENTICE, 10, 0, (HELD, HELD))] == [1, 3]
        assert [n for n, _ in questions.learners(APPRENTICE, 10, 0, (REVOKED, REVOKED))] == [2]
        assert [n for n, _ in questions.learners(MASTER, 10, 0, (NONE, NONE))] == [1]
        assert [n for n, _ in questions.learners(APPRENTICE, 1, 1)] == [3]


def test_a_forgotten_learner_is_nowhere_in_the_files(store: Store) -> None:
    batch = rows(judged([passed(n, "kafka", 1, name=f"Ada-{n}") for n in range(1, 200)]))
    key, row = issued(7, APPRENTICE, recipient=["user7", "user7@example.com", "Ada-7"])
    batch.issuances[key] = issuance_row(row)
    store.apply(batch)
    assert b"user7@example.com" in everything(store)

    store.apply(Batch(progress={7: progress_row(pack(Progress.initial(), 1))}, issuances={key: None}))

    assert b"user7@example.com" not in everything(store)
    assert b"Ada-7\x00" not in everything(store)
    assert b"user8@example.com" in everything(store)


def test_a_link_that_was_taken_back_is_nowhere_in_the_files(store: Store) -> None:
    consents = {
        badge_id(APPRENTICE, n).bytes: Consent(n, APPRENTICE, f"a-link-of-learner-{n}-", n)
        for n in range(1, 200)
    }
    store.apply(Batch(consents={**consents}))
    assert b"a-link-of-learner-7-" in everything(store)

    store.apply(Batch(consents={badge_id(APPRENTICE, 7).bytes: None}))

    assert b"a-link-of-learner-7-" not in everything(store)
    assert b"a-link-of-learner-8-" in everything(store)


def test_a_batch_is_taken_over_whole_or_not_at_all(store: Store) -> None:
    store.apply(Batch(places={("t", 0): Place(1, 0, 0)}))
    batch = rows(judged([passed(7, "kafka", 1)]))
    batch.places["t", 0] = "no place"  # type: ignore[assignment]

    with pytest.raises(AttributeError):
        store.apply(batch)

    assert found(store) == []
    assert store.places == {("t", 0): Place(1, 0, 0)}
    store.apply(rows(judged([passed(2, "kafka", 1)])))
    assert numbers(store, APPRENTICE) == [(HELD, ("kafka",), 1)]


def test_another_start_finds_what_there_was(store: Store) -> None:
    batch = rows(judged([passed(2, "kafka", 1)]))
    batch.places["t", 3] = Place(10, 8, 99)
    store.apply(batch)
    store.read_up(12.5)
    store.close()

    with closing(Store(store.path, "here")) as again:
        assert again.places == {("t", 3): Place(10, 8, 99)}
        assert again.read_up_at == 12.5
        assert [n for n, _ in found(again)] == [2]


@pytest.mark.parametrize("harm", ["other topics", "another version", "no database", "half a database"])
def test_a_file_that_is_another_is_made_again(
    store: Store, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.apply(rows(judged([passed(2, "kafka", 1)])))
    store.read_up(12.5)
    store.close()
    match harm:
        case "another version":
            db = sqlite3.connect(store.path)
            db.execute("PRAGMA user_version = 99")
            db.close()
        case "no database":
            store.path.write_bytes(b"x" * 10_000)
        case "half a database":
            store.path.write_bytes(store.path.read_bytes()[:100])

    with closing(Store(store.path, "there" if harm == "other topics" else "here")) as again:
        assert again.read_up_at is None
        assert found(again) == []
    assert "is made again" in caplog.text


def test_two_workers_never_have_the_same_file(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="another worker has it"):
        Store(store.path, "here")


def test_the_files_are_for_their_user_alone(store: Store) -> None:
    store.apply(rows(judged([passed(2, "kafka", 1)])))

    modes = {file.name: file.stat().st_mode & 0o777 for file in store.path.parent.glob("store.sqlite*")}

    assert len(modes) > 2
    assert set(modes.values()) == {0o600}


def test_a_file_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigurationError, match="BADGES_API_STORE"):
        Store(tmp_path / "file" / "store.sqlite", "here")


def test_a_store_of_another_cluster_is_none_of_ours(store: Store) -> None:
    assert store.belongs_to("one")
    assert store.belongs_to("one")
    assert not store.belongs_to("two")


def test_beginning_again_leaves_nothing_to_those_who_read_meanwhile(store: Store) -> None:
    with closing(Questions(store.path)) as questions:
        store.apply(rows(judged([passed(2, "kafka", 1)])))
        assert questions.totals() == (1, 0)

        store.clear()

        assert questions.totals() == (0, 0)
        assert store.places == {}
        assert store.belongs_to("two")
        store.apply(rows(judged([passed(3, "kafka", 1)])))
        assert questions.totals() == (1, 0)
        assert numbers(store, APPRENTICE) == [(HELD, ("kafka",), 1)]


@pytest.mark.parametrize(
    "key", [None, b"", b"x", b"-1", b"1.5", b"\xff", b"%d" % 2**63, b"9" * 5_000, "²".encode()]
)
def test_a_key_that_names_no_learner_is_said_so(key: bytes | None) -> None:
    with pytest.raises(RowError):
        learner_of(key)


def test_a_key_that_names_no_badge_is_said_so() -> None:
    with pytest.raises(RowError):
        badge_of(b"x")
    assert badge_of(b"42") is None


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"\xc1", b"{}", b"[]", b"\x80", b"\x81\xa1v\x09", b"\x81\xa1v\x03"]
)
def test_a_row_that_cannot_be_read_is_said_so(raw: bytes) -> None:
    with pytest.raises(RowError):
        progress_row(raw)
    with pytest.raises(RowError):
        issuance_row(raw)


@pytest.mark.parametrize("learner", [-1, 2**63, "x", None])
def test_a_badge_of_no_learner_is_said_to_be_so(learner: object) -> None:
    _, row = issued(42, APPRENTICE)

    with pytest.raises(RowError):
        issuance_row(orjson.dumps(orjson.loads(row) | {"learner": learner}))


def test_whoever_asks_while_a_store_begins_again_is_answered(store: Store) -> None:
    faults: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        with closing(Questions(store.path)) as questions:
            while not over.is_set():
                try:
                    questions.totals()
                except sqlite3.Error as error:
                    faults.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(20):
        store.clear()
    over.set()
    asking.join()

    assert faults == []


def named(store: Store, text: str) -> list[int]:
    questions = Questions(store.path)
    found = [learner for learner, _ in questions.named(text, 20)]
    questions.close()
    return found


def test_learners_are_found_by_user_name_and_address_in_whatever_case(store: Store) -> None:
    store.apply(rows(judged([passed(7, "kafka", 1), passed(8, "kafka", 1)])))

    assert named(store, "User7") == [7]
    assert named(store, "USER8@Example.com") == [8]
    assert named(store, "user") == []


def test_who_has_another_user_name_or_is_forgotten_is_not_found_by_the_old_one(store: Store) -> None:
    store.apply(rows(judged([passed(7, "kafka", 1), passed(8, "kafka", 1)])))
    renamed = judged([passed(9, "kafka", 1)])[9]

    store.apply(rows({7: renamed, 8: Progress.initial()}))

    assert named(store, "user7") == named(store, "user8") == []
    assert named(store, "user9") == [7]
    assert name_of("user8").to_bytes(8, signed=True) not in everything(store)
