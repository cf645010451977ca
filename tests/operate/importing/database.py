"""What the credentials service wrote (sample.json, its own dump; see docs/migrate.md), and changes of it."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from streams.operate.importing.sources import Access

HERE = Path(__file__).parent
SAMPLE = HERE / "sample.json"
NO_ACCESS = Access()
ONE, TWO, EITHER, NULLS, NO_RULES = (f"0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d1{n}" for n in range(5))
"""Of the sample: one course and a penalty, two courses, either course, without groups, without rules."""
GROUP = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d99"
"""A template of Accredible's, in `with_accredible`."""

Object = dict[str, Any]


def sample() -> list[Object]:
    """The objects of the sample's dump."""
    objects: list[Object] = json.loads(SAMPLE.read_text())
    return objects


def made(model: str, pk: int, **fields: Any) -> Object:
    return {"model": model, "pk": pk, "fields": fields}


def requirement(pk: int, template: int, event_type: str, blend: str | None = "A") -> Object:
    return made(
        "badges.badgerequirement", pk, template=template, event_type=event_type, blend=blend, description=None
    )


def rule(pk: int, requirement: int, path: str, operator: str, value: str) -> Object:
    fields = {"requirement": requirement, "data_path": path, "operator": operator, "value": value}
    return made("badges.datarule", pk, **fields)


def with_accredible() -> list[Object]:
    """The sample, and a group of Accredible that learner 1 has passed, and learner 3 has lost."""
    fields = {**sample()[1]["fields"], "uuid": GROUP, "name": "A group", "origin": "accredible"}
    at = {"created": "2026-11-20T00:00:00Z", "modified": "2026-11-21T00:00:00Z"}
    user = {**at, "credential_content_type": 16, "credential_id": 99}
    return [
        *sample(),
        made("badges.accredibleapiconfig", 1, **at, name="An account", api_key="not-a-key-either"),
        made("badges.badgetemplate", 99, **fields),
        made("badges.accrediblegroup", 99, api_config=1),
        requirement(90, 99, "org.openedx.learning.course.passing.status.updated.v1"),
        rule(90, 90, "is_passing", "eq", "True"),
        made("badges.badgeprogress", 90, username="learner1", template=99),
        made("badges.fulfillment", 90, progress=90, requirement=90, blend="A"),
        made(
            "credentials.usercredential", 90, **user, username="learner1", status="awarded", uuid=f"{90:032}"
        ),
        made("badges.accrediblebadge", 90, state="accepted", external_id=777),
        made(
            "credentials.usercredential", 91, **user, username="learner3", status="revoked", uuid=f"{91:032}"
        ),
        made("badges.accrediblebadge", 91, state="expired", external_id=778),
    ]


def dumped(objects: Iterable[Object], folder: Path) -> str:
    """The objects as a file of `dumpdata`; its path."""
    file = folder / "dump.json"
    file.write_text(json.dumps(list(objects)))
    return str(file)


def database(objects: Sequence[Object], folder: Path, *, without: Sequence[str] = ()) -> str:
    """The objects in a database with the service's own schema, but without some tables; its URL."""
    file = folder / "credentials.sqlite3"
    with closing(sqlite3.connect(file)) as opened, opened:
        opened.executescript((HERE / "schema.sql").read_text() + ";")
        for statement, row in inserts(objects):
            opened.execute(statement, row)
        for table in without:
            opened.execute(f"DROP TABLE {table}")
    return f"sqlite:///{file}"


def inserts(objects: Iterable[Object]) -> Iterator[tuple[str, list[Any]]]:
    """What writes the objects into the service's tables, with its values."""
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript((HERE / "schema.sql").read_text() + ";")
        for object in objects:
            if table := _table(object["model"]):
                columns = [name for _, name, *_ in empty.execute(f"PRAGMA table_info({table})")]
                yield from _inserts(object, table, columns)


def _table(model: str) -> str:
    app, name = model.split(".")
    if app == "contenttypes":
        return ""  # nothing here asks for them
    return f"django_{name}" if app == "sites" else f"{app}_{name}"


def _inserts(object: Object, table: str, columns: list[str]) -> Iterator[tuple[str, list[Any]]]:
    fields = {**object["fields"]}
    for other in fields.pop("requirements", ()):
        names = "badgepenalty_id, badgerequirement_id"
        row = [object["pk"], other]
        yield f"INSERT INTO badges_badgepenalty_requirements ({names}) VALUES (?, ?)", row
    pointer = next((name for name in columns if name.endswith("_ptr_id")), "id")
    values: Object = {n: fields.get(n, fields.get(n.removesuffix("_id"))) for n in columns}
    values[pointer] = object["pk"]
    for name in ("uuid", "external_uuid"):
        if values.get(name):
            values[name] = values[name].replace("-", "")
    marks = ", ".join("?" * len(columns))
    yield f"INSERT INTO {table} VALUES ({marks})", [values[name] for name in columns]
