"""The broker's and the registry's Java archives: fetched once by Maven, kept in the user's cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.errors import ConfigurationError

POM = Path(__file__).with_name("pom.xml")
JAVA_AT_LEAST = 17
"""The oldest that Kafka's broker runs on."""
JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A server that starts fast and leaves the machine to the product: a small heap, one collector thread, no
optimizing compiler."""


@dataclass(frozen=True, slots=True)
class Jars:
    """Where the archives are: the folder of the broker's jars, and the registry's executable jar."""

    kafka: Path
    registry: Path


def jars() -> Jars:
    """The archives, fetched if they are not cached; raises `ConfigurationError` without Java or Maven."""
    folder = cache() / f"sandbox-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        with alone(folder.with_suffix(".lock")):
            if not folder.exists():
                _fetch(folder)
    return Jars(folder / "kafka", next((folder / "registry").glob("*-runner.jar")))


def java() -> str:
    """The path of a Java that is new enough; raises `ConfigurationError` if there is none."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which("java", path=f"{home}/bin" if home else None)
    if command is None:
        raise ConfigurationError(f"the sandbox needs Java {JAVA_AT_LEAST} or newer: no `java` was found")
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        found = version[1] if version else "one that does not run"
        raise ConfigurationError(f"the sandbox needs Java {JAVA_AT_LEAST} or newer: {command} is {found}")
    return command


def cache() -> Path:
    """The folder of what is fetched once for all checkouts of this user."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "badge-streams"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the file's lock within the `with` block: one process at a time."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigurationError(
            "the sandbox needs Maven, to fetch Kafka and the registry: no `mvn` was found"
        )
    java()
    with TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as temporary:
        made = Path(temporary, "made")
        _copy_dependencies(maven, made / "kafka", Path(temporary))
        for archive in (made / "kafka").glob("apicurio-*.tar.gz"):
            with tarfile.open(archive) as tar:
                tar.extractall(made / "registry", filter="data")
            archive.unlink()
        made.rename(folder)


def _copy_dependencies(maven: str, into: Path, work: Path) -> None:
    # A copy, because Maven writes into the pom's folder, and an installed package may be read-only.
    pom = shutil.copy(POM, work / "pom.xml")
    goal = "dependency:copy-dependencies"
    command = [maven, "-q", "-B", "-f", str(pom), goal, f"-DoutputDirectory={into}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        said = next((line for line in run.stdout.splitlines() if "ERROR" in line), run.stderr.strip())
        raise ConfigurationError(f"Maven could not fetch the sandbox's archives: {said}")
