"""Where an organization's key is, and what it is at present."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is: in a variable of the environment, or in a file."""

    env: str | None = None
    file: str | None = None


class Key:
    """The current value of a reference; a file is read again when it has changed."""

    def __init__(self, ref: KeyRef | None, environ: Mapping[str, str]) -> None:
        self._ref = ref
        self._environ = environ
        self._stamp: tuple[int, int, int] | None = None
        self._value = ""

    def read(self) -> str:
        """The key; empty if there is none."""
        if self._ref is None:
            return ""
        if self._ref.env is not None:
            value = self._environ.get(self._ref.env, "").strip()
            return value if value.isprintable() else ""
        assert self._ref.file is not None
        path = Path(self._ref.file)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp != self._stamp:
                self._value = path.read_text(encoding="utf-8").strip()
                self._stamp = stamp
        except (OSError, ValueError):
            self._value, self._stamp = "", None
        return self._value

    def __repr__(self) -> str:
        return f"Key({self._ref})"
