"""What is taken along of the credentials service's learners, and what is not."""

import csv
import io
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from streams.badges import Brought, badge_id
from streams.catalog import CatalogDocument, load_catalog
from streams.cli import main
from streams.errors import ConfigurationError
from streams.operate.importing import state
from streams.operate.importing.catalog import import_catalog
from streams.operate.importing.copying import copied
from streams.operate.importing.dump import objects
from streams.operate.importing.learners import know, learners
from streams.operate.importing.plan import Plan, Taken, Told
from streams.operate.importing.state import Wanted, _batched, _check, import_state
from streams.operate.importing.tables import OF_LEARNERS
from streams.settings import Settings
from tests.operate.importing.database import (
    EITHER,
    GROUP,
    NO_ACCESS,
    NULLS,
    ONE,
    SAMPLE,
    TWO,
    Object,
    database,
    dumped,
    made,
    sample,
    with_accredible,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = "learner2,1002\nlearner6,1006\n"
DOCUMENT = load_catalog(import_catalog(str(SAMPLE), NO_ACCESS).text)


def planned(
    source: str, names: str = "", now: datetime = NOW, document: CatalogDocument = DOCUMENT
) -> tuple[dict[int, Taken], Told]:
    """What is taken along, by learner; and what is told of it."""
    told = Told()
    plan = Plan(document, "app", now, told)
    with copied(source, NO_ACCESS, OF_LEARNERS) as copy:
        know(copy, io.StringIO(names))
        taken = [taken for learner in learners(copy) if (taken := plan.taken(learner))]
    return {one.order.learner: one for one in taken}, told


def planned_of(objects: Sequence[Object], folder: Path, names: str = "") -> tuple[dict[int, Taken], Told]:
    return planned(dumped(objects, folder), names)


def of_badge(taken: Taken, template: str) -> dict[str, Any]:
    [line] = [badge.line for badge in taken.badges if badge.template == template]
    value: dict[str, Any] = orjson.loads(line)
    return value


def said(objects: Sequence[Object], folder: Path, names: str = "") -> str:
    """What the command prints without --yes."""
    (folder / "catalog.yaml").write_text(import_catalog(str(SAMPLE), NO_ACCESS).text)
    (folder / "names.csv").write_text(names)
    arguments = ["--catalog", str(folder / "catalog.yaml"), "--learners", str(folder / "names.csv")]
    ran = CliRunner().invoke(main, ["import", "state", dumped(objects, folder), *arguments])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def changed(model: str, pk: int, **fields: object) -> list[Object]:
    """The sample with other values in one object."""
    objects = sample()
    for object in objects:
        if (object["model"], object["pk"]) == (model, pk):
            object["fields"] |= fields
    return objects


def test_a_dry_run_prints_totals_by_template_and_needs_no_broker(tmp_path: Path) -> None:
    printed = said(sample(), tmp_path, NAMES)

    assert "17 fulfilments and 15 badges are there" in printed
    rows = {
        line.split("(")[1][:36]: line.split("│")[2:] for line in printed.splitlines() if "0b7a2c1e" in line
    }
    assert [list(map(int, rows[id])) for id in (ONE, TWO, EITHER, NULLS)] == [
        [6, 3, 2, 1, 0],
        [7, 3, 1, 1, 0],
        [2, 2, 0, 0, 0],
        [2, 2, 0, 0, 0],
    ]
    assert "nothing is sent: --yes sends 15 badges and the progress of 6 learners" in printed


def test_a_dump_and_a_database_say_the_same(tmp_path: Path) -> None:
    by_database = planned(database(sample(), tmp_path), NAMES)

    assert _lines(by_database) == _lines(planned(str(SAMPLE), NAMES))


def _lines(found: tuple[dict[int, Taken], Told]) -> list[Any]:
    # A dump has milliseconds, a database microseconds.
    taken, told = found
    orders = [{id: b.fulfilled for id, b in one.order.templates.items()} for one in taken.values()]
    badges = [(b.template, b.badge, b.there) for one in taken.values() for b in one.badges]
    return [orders, badges, told.totals, told.left_out]


def test_what_a_learner_holds_is_as_old_as_its_award() -> None:
    taken, _ = planned(str(SAMPLE))

    created = datetime(2026, 11, 26, 7, 58, 4, 444_000, UTC)
    assert taken[1001].order.templates[ONE] == Brought(("r1",), created)
    assert of_badge(taken[1001], ONE) == {
        "kind": "awarded",
        "template": ONE,
        "learner": 1001,
        "time": created.isoformat(),
        "held": "14bd0008-b441-4872-b8ac-33847d6405b8",
        "state": "pending",
    }
    user = taken[1001].order.user
    assert user is not None
    assert (user.username, user.email, user.name) == ("learner1", "l1@example.org", "Learner 1")


def test_what_was_revoked_says_what_it_has_lost() -> None:
    taken, _ = planned(str(SAMPLE), NAMES)

    again, lost = taken[1003].order.templates[ONE], taken[1006].order.templates[TWO]
    assert (again.fulfilled, again.reset) == (("r1",), ())  # fulfilled again, and never awarded again
    assert (lost.fulfilled, lost.reset) == (("r2",), ("r3",))
    assert lost.awarded is not None
    assert lost.revoked is not None
    assert lost.awarded < lost.revoked
    line = of_badge(taken[1006], TWO)
    assert (line["kind"], line["past"], line["state"]) == (
        "revoked",
        "53f40146-67f6-41d4-b36e-600ae3be77f5",
        "revoked",
    )


@pytest.mark.parametrize(("learner", "template"), [(1004, ONE), (1004, TWO), (1007, ONE)])
def test_what_was_never_issued_says_to_whom(learner: int, template: str) -> None:
    taken, _ = planned(str(SAMPLE))

    line = of_badge(taken[learner], template)
    assert ("held" in line, line["user"]["email"]) == (False, f"l{learner - 1000}@example.org")


def test_nobodys_name_goes_along_with_a_badge_that_is_there() -> None:
    taken, _ = planned(str(SAMPLE))

    assert b"learner1" not in b"".join(badge.line for badge in taken[1001].badges)


def test_what_credly_holds_of_a_revoked_badge_is_to_be_revoked(tmp_path: Path) -> None:
    taken, told = planned_of(changed("badges.credlybadge", 12, state="error"), tmp_path, NAMES)

    assert told.totals[TWO]["to revoke"] == 1
    assert of_badge(taken[1006], TWO)["held"] == "53f40146-67f6-41d4-b36e-600ae3be77f5"


def test_what_credly_has_revoked_is_revoked(tmp_path: Path) -> None:
    taken, told = planned_of(changed("badges.credlybadge", 1, state="revoked"), tmp_path)

    assert taken[1001].order.templates[ONE].revoked is not None
    assert told.totals[ONE]["revoked"] == 2


def test_renamed_learners_and_those_without_an_id_are_named(tmp_path: Path) -> None:
    printed = said(sample(), tmp_path)

    assert "2 fulfilments and 0 badges of users unknown: renamed or retired since" in printed
    assert ": learner2" in printed
    assert "4 fulfilments and 4 badges of users without an LMS id: learner6" in printed


@pytest.mark.parametrize("id", [None, -3])
def test_a_user_whose_id_is_none_is_not_taken_along(id: int | None, tmp_path: Path) -> None:
    printed = said(changed("core.user", 2, lms_user_id=id), tmp_path, NAMES)

    assert "5 fulfilments and 4 badges of users without an LMS id: learner1" in printed


def test_a_retired_learner_is_not_taken_along(tmp_path: Path) -> None:
    objects = sample()
    for object in objects:
        if object["fields"].get("username") == "learner1":
            object["fields"]["username"] = "retired__user_1a2b"
    printed = said(objects, tmp_path, NAMES)

    assert "5 fulfilments and 4 badges of users retired at the LMS: retired__user_1a2b" in printed
    assert 1001 not in planned_of(objects, tmp_path)[0]


def test_a_user_whom_both_know_by_another_id_is_nobody(tmp_path: Path) -> None:
    printed = said(sample(), tmp_path, "username,id\nlearner1,7\n")

    assert "4 badges of users known by two LMS ids: learner1" in printed


def test_two_names_of_one_learner_are_one(tmp_path: Path) -> None:
    taken, _ = planned(str(SAMPLE), NAMES)

    assert taken[1002].order.templates[TWO].fulfilled == ("r2",)
    assert taken[1002].order.user is not None
    assert taken[1002].order.user.username == "renamed2"


def test_a_name_in_capitals_is_that_of_the_one_user_who_has_it(tmp_path: Path) -> None:
    # As MySQL compares names.
    usual, _ = planned_of(sample(), tmp_path)
    objects = changed("core.user", 2, username="Learner1")

    taken, _ = planned_of(objects, tmp_path)
    assert taken[1001].order.templates == usual[1001].order.templates

    # Who is meant where two have it, only the name as it is written says.
    other = made("core.user", 90, username="LEARNER1", email="x@x", full_name="", first_name="", last_name="")
    other["fields"]["lms_user_id"] = 1090
    assert "4 badges of users unknown" in said([*objects, other], tmp_path)
    exact, _ = planned_of([*sample(), other], tmp_path)
    assert exact[1001].order.templates == usual[1001].order.templates


def test_a_name_that_is_not_utf_8_keeps_nothing_from_being_taken_along(tmp_path: Path) -> None:
    url = database(sample(), tmp_path)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened, opened:
        opened.execute("UPDATE core_user SET full_name = CAST(x'41e9' AS TEXT) WHERE lms_user_id = 1001")

    taken, _ = planned(url)

    assert taken[1001].order.user is not None
    assert taken[1001].order.user.name == "A\ufffd"


@pytest.mark.parametrize("names", ["learner2,1002\nlearner6\n", "a,1\nb,x\n", "a,1\n,2\n", 'a,1\n"b,2'])
def test_a_file_of_names_that_is_none_is_refused(names: str) -> None:
    with pytest.raises(ConfigurationError, match="--learners"):
        planned(str(SAMPLE), names)


def test_what_the_catalog_does_not_have_is_told(tmp_path: Path) -> None:
    more = made("badges.fulfillment", 90, progress=1, requirement=None)
    other = made("badges.fulfillment", 91, progress=1, requirement=2)
    printed = said([*sample(), more, other], tmp_path)

    assert "1 fulfilments of requirements that are there no more" in printed
    assert f"1 fulfilments of r2 of template {ONE}, which the catalog does not have" in printed


def test_a_template_that_the_catalog_does_not_have_is_told() -> None:
    one = load_catalog(import_catalog(str(SAMPLE), NO_ACCESS).text.partition(f"  - id: '{NULLS}'")[0])

    taken, told = planned(str(SAMPLE), document=one)

    assert NULLS not in taken[1001].order.templates
    assert list(told.left_out.items()) == [
        (f"learners' state of template {NULLS}, which the catalog does not have", 1)
    ]


@pytest.mark.parametrize("without", [f"  - id: '{NULLS}'", "    - id: r7"])
def test_a_catalog_that_is_not_in_force_is_refused(without: str) -> None:
    text = import_catalog(str(SAMPLE), NO_ACCESS).text
    in_force = load_catalog(text.partition(without)[0])

    _check(in_force, DOCUMENT)
    with pytest.raises(ConfigurationError, match=rf"{NULLS}\) is not so in the catalog in force"):
        _check(DOCUMENT, in_force)


def test_a_learner_is_never_in_two_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "BATCH_RECORDS", 3)
    learners = [[{"value": b"x" * size}] * count for size, count in ((1, 2), (1, 4), (9_000_000, 1), (1, 1))]

    assert [len(some) for some in _batched(learners)] == [6, 1, 1]


def test_what_accredible_has_is_held_under_its_number(tmp_path: Path) -> None:
    for source in (dumped(with_accredible(), tmp_path), database(with_accredible(), tmp_path)):
        document = load_catalog(import_catalog(source, NO_ACCESS).text)
        taken, told = planned(source, document=document)

        held, lost = of_badge(taken[1001], GROUP), of_badge(taken[1003], GROUP)
        assert (held["kind"], held["held"], held["state"]) == ("awarded", "777", "published")
        assert (lost["kind"], lost["past"], lost["state"]) == ("revoked", "778", "revoked")
        assert told.totals[GROUP] == {"fulfilled": 1, "held": 1, "revoked": 1}


def test_what_belongs_to_nothing_is_told(tmp_path: Path) -> None:
    objects = [
        o
        for o in sample()
        if (o["model"], o["pk"]) not in (("credentials.usercredential", 1), ("badges.badgeprogress", 1))
    ]

    assert "1 fulfilments and 1 badges without a template" in said(objects, tmp_path)


@pytest.mark.parametrize(
    "model", ["credentials.usercredential", "badges.badgeprogress", "badges.badgetemplate"]
)
def test_half_of_a_dump_is_refused(model: str, tmp_path: Path) -> None:
    objects = [object for object in sample() if object["model"] != model]

    with pytest.raises(ConfigurationError, match=model):
        planned(dumped(objects, tmp_path))


def test_the_id_of_an_import_is_that_of_its_content(tmp_path: Path) -> None:
    [one], [other] = (
        {taken.order.id for id, taken in planned(source, now=now)[0].items() if id == 1001}
        for source, now in ((str(SAMPLE), NOW), (str(SAMPLE), datetime(2028, 1, 1, tzinfo=UTC)))
    )
    changed_id = planned_of(changed("badges.credlybadge", 1, state="revoked"), tmp_path)[0][1001].order.id

    assert one == other
    assert changed_id != one


def test_no_time_is_in_the_future() -> None:
    early = datetime(2026, 1, 1, tzinfo=UTC)
    taken, _ = planned(str(SAMPLE), now=early)

    assert {taken[1001].order.templates[id].awarded for id in (ONE, TWO)} == {early}


async def test_which_badge_is_which_is_written(tmp_path: Path) -> None:
    ids = io.StringIO()

    await import_state(Settings(), Wanted(str(SAMPLE), NO_ACCESS, DOCUMENT, None, ids), NOW, sends=False)

    rows = list(csv.DictReader(io.StringIO(ids.getvalue())))
    assert len(rows) == 11
    assert rows[0] == {
        "there": "ac5634d7-f8f7-4b86-a110-13117c5b6b9f",
        "here": str(badge_id(ONE, 1001)),
        "template": ONE,
        "learner": "1001",
    }


def test_neither_keys_nor_passwords_are_copied() -> None:
    with copied(str(SAMPLE), NO_ACCESS, OF_LEARNERS) as copy:
        text = "\n".join(copy.iterdump())

    assert "l1@example.org" in text
    password = next(o["fields"]["password"] for o in sample() if o["model"] == "core.user")
    assert password not in text
    assert "not-a-key" not in text


def test_a_dump_is_read_as_it_is_needed() -> None:
    one = json.dumps(made("badges.fulfillment", 0, progress=1, requirement=1)) + ","

    class Endless(io.StringIO):
        """A dump that would never fit into memory."""

        chunks = 0

        def read(self, size: int | None = -1) -> str:
            self.chunks += 1
            return ("[" if self.chunks == 1 else "") + one * 1_000

    file = Endless()

    assert len(list(islice(objects(file), 2_500))) == 2_500
    assert file.chunks <= 4
