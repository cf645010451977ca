"""One screen for all of a site, whatever of it can be seen."""

from streams.operate.status import Page, Status, Stream
from streams.operate.waits import Waiting

TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
QUIET = Status(
    "", "none, the schemas are built in", [Stream("tracker", "activities", 0, 0, 12, 5)], [], [], {}
)
BUSY = Status(
    "52efb4db-20260314T150927Z",
    "http://registry:8081",
    [Stream("tracker", "activities", 2, 12, 12, 0), Stream("relay", "decisions", 1, 6, 12, 40)],
    [
        Page("tracker", "10.0.0.7:8080", "yes", "52efb4db-20260314T150927Z", {}),
        Page("relay", "10.0.0.8:8090", "no: recovering: decisions-3", "", {TEMPLATE: 3}),
    ],
    [Waiting("demo", 4, "2026-03-14T15:09:26+00:00", 1, 2)],
    {"tracker": {"no_id": 7}, "relay": {"refused": 2}},
)


def cells(status: Status) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in status.lines() if "│" in line]


def test_each_worker_and_topic_has_its_row() -> None:
    assert ["relay", "decisions", "1 workers", "6 of 12 partitions", "40"] in cells(BUSY)


def test_a_page_says_whether_its_worker_is_ready_and_what_is_parked() -> None:
    assert ["relay", "10.0.0.8:8090", "no: recovering: decisions-3"] in cells(BUSY)
    assert f"parked: 3 of template {TEMPLATE}" in list(BUSY.lines())


def test_what_waits_for_an_issuer_and_what_was_set_aside_is_counted() -> None:
    assert ["demo", "4", "2026-03-14T15:09:26+00:00", "1", "2"] in cells(BUSY)
    assert ["relay", "refused", "2"] in cells(BUSY)


def test_what_cannot_be_seen_is_said() -> None:
    lines = list(QUIET.lines())

    assert lines[0] == "catalog in force: none"
    assert lines[1] == "schema registry: none, the schemas are built in"
    assert "ready: no worker's page can be reached from here" in lines
    assert "dead letters: none" in lines


def test_a_screen_as_json_has_all_of_it() -> None:
    found = BUSY.as_json()

    assert found["issuers"][0]["lacking"] == 1
    assert [page["parked"] for page in found["pages"]] == [{}, {TEMPLATE: 3}]
