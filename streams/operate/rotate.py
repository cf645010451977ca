"""Exchange an organization's key for a new one before it expires, and write that where the workers look.

The file is replaced in one step: whoever reads it reads the old key or the new one. Between the issuer's
answer and that step calls by the old key are refused; they are made again by the new one (decision 0103).
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from streams.clock import Clock
from streams.errors import ConfigurationError, FatalError
from streams.issuers import outcomes
from streams.issuers.client import Http
from streams.issuers.issuer import drive
from streams.operate.asking import asked, limits_of, wanted
from streams.operate.site import site
from streams.relay.keys import Reach, reach
from streams.relay.organizations import Organization, Organizations
from streams.relay.terms import terms
from streams.settings import Settings


async def rotate(settings: Settings, name: str, within: timedelta | None) -> str:
    """Rotate an organization's key, if it expires `within` that time; what was done, as a line.

    Raises `ConfigurationError` where the key is in no file that can be written, or none to be rotated;
    `FatalError` if the issuer does not do it.
    """
    async with site(settings) as here:
        document = (await here.catalog()).document
    http, clock, allowed = Http(), Clock(), reach(settings)
    organizations = Organizations(limits_of(settings), http, clock, allowed)
    organizations.take(*terms(document))
    try:
        [organization] = wanted(organizations, [name])
        return await rotated(organization, clock, allowed, within)
    finally:
        await http.close()


async def rotated(organization: Organization, clock: Clock, allowed: Reach, within: timedelta | None) -> str:
    """The same, of an organization that is known."""
    if organization.terms.grant:
        raise ConfigurationError(f"organization {organization.id}: its client of OAuth 2 does not expire")
    with _to_replace(organization, allowed) as new:
        if within is not None and (expires := await _expiry(organization, clock)) > clock.wall() + within:
            return f"organization {organization.id}: its key expires at {expires}: nothing was done"
        # Once: were it made again after a lost answer, it would be with a key that may be over.
        steps = organization.issuer.rotate(organization.id, organization.key)
        outcome = await drive(steps, organization.ask)
        match outcome:
            case outcomes.Rotated(key):
                new(key)
                return f"organization {organization.id}: its key was replaced"
            case outcomes.Deferred(why, ambiguous=True):
                raise FatalError(
                    f"organization {organization.id}: {why}; the key may have been replaced: if it is "
                    "refused now, make a new one on the issuer's site"
                )
        raise FatalError(f"organization {organization.id}: its key was not replaced: {outcome.why}")


async def _expiry(organization: Organization, clock: Clock) -> datetime:
    steps = organization.issuer.key_expiry(organization.id, organization.key)
    outcome = await drive(steps, asked(organization, clock))
    if isinstance(outcome, outcomes.KeyExpiry) and outcome.at is not None:
        return outcome.at
    why = "nothing" if isinstance(outcome, outcomes.KeyExpiry) else outcome.why
    raise FatalError(f"organization {organization.id}: when its key expires is not known: {why}")


@contextmanager
def _to_replace(organization: Organization, allowed: Reach) -> Iterator[Callable[[str], None]]:
    """What replaces the key in its file; raises `ConfigurationError` at once if nothing can."""
    ref = organization.terms.key
    if ref is None or ref.file is None:
        raise ConfigurationError(f"organization {organization.id}: only a key in a file can be replaced")
    path = allowed.path(ref.file)
    try:
        # In the same directory, so that the last step is a renaming.
        handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ConfigurationError(f"organization {organization.id}: {path}: {error.strerror}") from None
    with os.fdopen(handle, "w") as file:
        try:
            yield partial(_replace, file, Path(new), path)
        finally:
            Path(new).unlink(missing_ok=True)


def _replace(file: IO[str], new: Path, path: Path, key: str) -> None:
    """Have the key in place, on the disk."""
    print(key, file=file, flush=True)
    os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
    os.fsync(file.fileno())
    new.replace(path)
