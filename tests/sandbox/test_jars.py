from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.sandbox.jars import POM, jars, java


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A search path with nothing on it, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_a_missing_java_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^the sandbox needs Java 17 or newer: no `java` was found$"
    ):
        java()


def test_an_old_java_is_said_in_one_line(path: Path) -> None:
    _command(path / "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(ConfigurationError, match=r"^the sandbox needs Java 17 or newer: .*/java is 11$"):
        java()


def test_a_java_home_goes_before_the_path(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    _command(path / "java", """echo 'openjdk version "11.0.2"' >&2""")
    _command(home / "bin" / "java", """echo 'openjdk version "21.0.2"' >&2""")
    # when
    monkeypatch.setenv("JAVA_HOME", str(home))
    # then
    assert java() == str(home / "bin" / "java")


def test_a_missing_maven_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^the sandbox needs Maven.*no `mvn` was found$"):
        jars()


def test_what_maven_could_not_do_is_said_and_nothing_is_left_in_the_cache(path: Path, tmp_path: Path) -> None:
    # given
    _command(path / "java", """echo 'openjdk version "17.0.1"' >&2""")
    _command(path / "mvn", "echo '[ERROR] nothing resolves'; exit 1")
    # when
    with pytest.raises(ConfigurationError, match="nothing resolves"):
        jars()
    # then
    assert not [entry for entry in (tmp_path / "cache").rglob("*") if entry.suffix == ".jar"]


def test_the_pom_names_no_repository() -> None:
    assert "repositor" not in POM.read_text().lower()


def _command(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
