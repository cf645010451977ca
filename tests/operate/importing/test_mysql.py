"""The credentials service's database as it usually is: on a MySQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main
from streams.errors import FatalError
from streams.operate.importing.catalog import import_catalog
from tests.operate.importing.database import NO_ACCESS, SAMPLE, sample
from tests.operate.importing.mariadb import mariadb


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mariadb(sample()) as url:
        yield url


def test_a_server_and_a_dump_are_the_same_catalog(server: str) -> None:
    assert import_catalog(server, NO_ACCESS) == import_catalog(str(SAMPLE), NO_ACCESS)


def test_a_server_and_a_dump_say_the_same_of_learners(server: str, tmp_path: Path) -> None:
    catalog, password = tmp_path / "catalog.yaml", tmp_path / "password"
    catalog.write_text(import_catalog(str(SAMPLE), NO_ACCESS).text)
    password.write_text("any password\n")
    options = ["--catalog", str(catalog), "--password-file", str(password)]

    by_server, by_dump = (
        CliRunner().invoke(main, ["import", "state", source, *options]) for source in (server, str(SAMPLE))
    )

    assert by_server.exit_code == 0, by_server.output
    assert by_server.stdout == by_dump.stdout


def test_a_server_that_is_away_is_one_clear_line(server: str) -> None:
    away = server.replace("credentials", "nothing")

    with pytest.raises(FatalError, match=r"nothing: .*nothing"):
        import_catalog(away, NO_ACCESS)
