"""What a catalog may name of the relay's world: which keys, and the hosts that they may be sent to."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from yarl import URL

from streams.catalog import is_loopback
from streams.issuers.known import ISSUERS
from streams.issuers.oauth import no_client
from streams.settings import Settings

KEY_BYTES = 4_096
"""Issuers' keys have fewer than 200 characters, signed tokens fewer than 4,000; what is longer is no key."""


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is: in a variable of the environment, or in a file."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """A catalog is data, not power: beyond this it names neither a file, nor a variable, nor a host.

    Decision 0048. `directory` is where keys' files are, whatever links lead there. `env_prefix` begins their
    variables; None: the issuer's name in capitals and `_`. `hosts` may be called, each as `host` or
    `host:port`; None: the issuer's own, and this machine's loopback. `signing` is the command that signs
    where a key's file has but the public half: no catalog and no key names a program.
    """

    directory: Path
    env_prefix: str | None = None
    hosts: frozenset[str] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    signing: tuple[str, ...] = ()

    def refuses(self, issuer: str, base: str, ref: KeyRef | None) -> str:
        """Why an organization's calls may not be made as the catalog says; empty if they may."""
        if ISSUERS[issuer].maker is None and not self._may_call(issuer, base):
            return f"its url's host, {URL(base).raw_host}, is not one of BADGES_ISSUER_HOSTS"
        prefix = f"{issuer.upper()}_" if self.env_prefix is None else self.env_prefix
        if ref and ref.env is not None and not ref.env.startswith(prefix):
            return f"its key's variable does not begin with {prefix} (BADGES_ISSUER_KEY_ENV_PREFIX)"
        return ""

    def path(self, file: str) -> Path:
        """Where a key's file is, with every link followed; raise `ValueError` if that is elsewhere.

        A relative name is one of the directory.
        """
        path = Path(os.path.realpath(self.directory / file))
        if not path.is_relative_to(os.path.realpath(self.directory)):
            raise ValueError(f"its key's file is not in {self.directory} (BADGES_ISSUER_KEY_DIR)")
        return path

    def key(self, file: str) -> str:
        """The key in a file; raise `ValueError`, which says why, or `OSError` where it is none."""
        path = self.path(file)
        if not S_ISREG(path.stat().st_mode):
            raise ValueError("its key's file is not a regular one")
        # What has become a link or a pipe since is not followed and not waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as opened:
            content = opened.read(KEY_BYTES + 1)
        if len(content) > KEY_BYTES:
            raise ValueError(f"its key's file holds more than {KEY_BYTES} bytes")
        return _text(content.decode("utf-8", "replace"))

    def _may_call(self, issuer: str, base: str) -> bool:
        url = URL(base)
        host = url.raw_host or ""
        if self.hosts is None:
            return host in ISSUERS[issuer].hosts or is_loopback(host)
        host = f"[{host}]" if ":" in host else host
        return not self.hosts.isdisjoint((host, f"{host}:{url.port}"))


def reach(settings: Settings) -> Reach:
    """What the settings allow."""
    return Reach(
        settings.issuer_key_dir.absolute(),
        settings.issuer_key_env_prefix or None,
        frozenset(settings.issuer_hosts) or None,
        signing=tuple(shlex.split(settings.signing_command)),
    )


class Key:
    """The current value of an organization's key; a file is read again when it has changed.

    `fault` says why there is none; while it does, no call is made.
    """

    def __init__(self, issuer: str, base: str, ref: KeyRef | None, reach: Reach, grant: str = "") -> None:
        self._ref = ref
        self._reach = reach
        self._no_key = no_client if grant else ISSUERS[issuer].no_key
        refused = (reach.refuses(issuer, url, ref) for url in (base, grant) if url)
        self._refused = self.fault = next(filter(None, refused), "")
        self._stamp: tuple[int, int, int] | None = None
        self._value = ""

    def read(self) -> str:
        """The key; empty if there is none."""
        if self._refused:
            return ""
        try:
            value = self._read()
        except ValueError as error:
            value, self.fault = "", str(error)
        except OSError as error:
            value, self.fault = "", f"its key's file cannot be read: {error.strerror}"
        else:
            self.fault = "there is no key at the catalog's reference"
            if value:
                self.fault = self._no_key(value)
        self._value = "" if self.fault else value
        return self._value

    def _read(self) -> str:
        if self._ref is None:
            return ""
        if self._ref.env is not None:
            return _text(self._reach.environ.get(self._ref.env, ""))
        assert self._ref.file is not None
        try:
            stat = (self._reach.directory / self._ref.file).stat()
        except FileNotFoundError:
            return ""
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if not self._value or stamp != self._stamp:
            self._value, self._stamp = self._reach.key(self._ref.file), stamp
        return self._value

    def __repr__(self) -> str:
        return f"Key({self._ref})"


def _text(text: str) -> str:
    text = text.strip()
    if not all(map(str.isprintable, text.replace("\r\n", "\n").split("\n"))) or "\ufffd" in text:
        raise ValueError("what is at its key's reference is no key: it is not text")
    return text
