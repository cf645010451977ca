"""The committed schemas are openedx-events' own, and two Avro libraries read them alike."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import fastavro
import pytest
from fastavro.utils import generate_many

from streams.bus import schemas

ROOT = Path(__file__).parents[2]
AVRO = ROOT / "avro"

EVERY = pytest.mark.parametrize("event_type", sorted(schemas.event_types()))


def test_the_committed_schemas_are_what_openedx_events_gives(openedx_python: Path, tmp_path: Path) -> None:
    subprocess.run(
        [openedx_python, "-W", "default", ROOT / "tests" / "openedx" / "make_schemas.py", tmp_path],
        check=True,
        capture_output=True,
    )

    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in AVRO.iterdir()}


@EVERY
def test_both_libraries_write_the_same_bytes_and_read_the_same_values(event_type: str) -> None:
    ours = schemas.schema(event_type)
    theirs = avro.schema.parse((AVRO / f"{event_type}.avsc").read_text())

    for value in generate_many(ours, 5):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, ours, value)

        assert _written_by_avro(theirs, value) == body.getvalue()
        assert _read_by_avro(theirs, body.getvalue()) == fastavro.schemaless_reader(
            io.BytesIO(body.getvalue()), ours, None
        )


@EVERY
def test_the_learner_is_never_a_member_of_staff(event_type: str) -> None:
    path = schemas.learner_path(event_type)

    assert path in ((), ("user",), ("student_user",), ("user_id",))


def test_a_type_without_a_schema_names_nobody() -> None:
    assert schemas.learner_path("org.openedx.learning.xblock.skill.verified.v1") is None


def test_the_schemas_folder_does_not_hide_avro_python3() -> None:
    assert not (AVRO / "__init__.py").exists()
    assert not Path(avro.schema.__file__).is_relative_to(ROOT / "avro")


def test_an_installed_wheel_carries_the_schemas_and_runs_outside_the_tree(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT],
        env={**os.environ, "PYTHONWARNINGS": "default"},
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    catalog = ROOT / "streams" / "sandbox" / "catalog.yaml"
    code = (
        "import streams; print(streams.__file__);"
        "from streams.bus import schemas; print(len(schemas.event_types()), schemas.source_library());"
        f"from streams.cli import main; main(['check', {str(catalog)!r}])"
    )

    # The site's packages of the running interpreter, but not the editable install of this tree.
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    place, read, checked = ran.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path)
    assert read == f"{len(schemas.event_types())} {schemas.source_library()}"
    assert "no fault" in checked


def test_the_text_to_register_is_the_sorted_json_of_the_real_services() -> None:
    for event_type in schemas.event_types():
        text = json.dumps(schemas.schema(event_type), sort_keys=True)
        assert json.loads(text)["namespace"] == event_type


def _written_by_avro(schema: Any, value: Any) -> bytes:
    body = io.BytesIO()
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(body))
    return body.getvalue()


def _read_by_avro(schema: Any, body: bytes) -> Any:
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(body)))
