"""Programs out of Debian's packages, unpacked and not installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.errors import ConfigurationError
from streams.sandbox.jars import alone, cache


def unpacked(name: str, packages: Sequence[str]) -> Path:
    """The folder with what these packages hold, fetched once; raises `ConfigurationError` without apt-get."""
    folder = cache() / name
    if not folder.exists():
        with alone(folder.with_suffix(".lock")):
            if not folder.exists():
                _fetch(name, packages, folder)
    return folder


def libraries(folder: Path) -> str:
    """Where a program of the folder finds its libraries: a value of LD_LIBRARY_PATH."""
    found = [*folder.glob("usr/lib/*-linux-*"), *folder.glob("lib/*-linux-*")]
    return os.pathsep.join(map(str, found))


def _fetch(name: str, packages: Sequence[str], folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ConfigurationError(f"the sandbox needs {name}: none was found, and no apt-get to get it")
    with TemporaryDirectory(prefix=f"{name}-", dir=folder.parent) as temporary:
        work = Path(temporary)
        download = ["apt-get", "download", "-q", *packages]
        if subprocess.run(download, cwd=work, capture_output=True, check=False).returncode:
            # A new machine's list of packages is empty or old.
            _run(["apt-get", "update", "-q"], work)
            _run(download, work)
        for package in work.glob("*.deb"):
            _run(["dpkg", "-x", str(package), "unpacked"], work)
        (work / "unpacked").rename(folder)


def _run(command: list[str], work: Path) -> None:
    run = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ConfigurationError(f"Debian's packages could not be fetched: {run.stderr.strip()}")
