"""The catalog at run time: publishing a revision, showing the one in force and those before."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams.badges import Catalog
from streams.catalog import CatalogDocument, TemplateDeclaration, in_force, load_catalog
from streams.catalog.in_force import Revision
from streams.catalog.wording import load_worded
from streams.errors import CatalogError, ConfigurationError
from streams.kafka.topics import topics
from streams.logs import blanked
from streams.operate.site import Site, site
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.relay.keys import Reach


async def publish(settings: Settings, text: bytes, now: datetime) -> list[str]:
    """Put a catalog in force; return what it changes, a line each.

    Raises `CatalogError` with every fault where it is refused, `ConfigurationError` where it has no topic: a
    broker could make one by itself, without what it needs.
    """
    from streams.relay.keys import reach  # dear, and only publishing wants it

    document = load_worded(text)
    if faults := list(_beyond(document, reach(settings))):
        raise CatalogError(faults)
    async with site(settings) as here:
        await here.existing(here.topics.catalog.name)
        before = await _in_force(here)
    name = f"{document.revision}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    await in_force.publish(settings, topics(settings).catalog.name, text, name)
    return [f"published {name}", *map(blanked, differences(before, document) if before else ())]


def _beyond(document: CatalogDocument, allowed: "Reach") -> Iterator[str]:
    """What the relay would refuse to call or to read, a line for each organization."""
    from streams.relay.terms import terms

    for organization in terms(document)[0]:
        if why := allowed.refuses(organization.issuer, organization.base, organization.key):
            yield f"organization {organization.id}: {why}"
        elif organization.key and organization.key.file:
            try:
                allowed.path(organization.key.file)
            except ValueError as error:
                yield f"organization {organization.id}: {error}"


async def show(settings: Settings, published: str | None = None) -> tuple[str, str]:
    """The name and the text of the revision in force, or of the one `published` under that name.

    Raises `ConfigurationError` where there is none.
    """
    async with site(settings) as here:
        name = published or (await here.catalog()).revision
        revisions = await here.catalogs()
    for revision in revisions:
        if revision.name == name:
            return blanked(name), shown(in_force.unpack(revision.value))
    if published is not None:
        raise ConfigurationError(f"no catalog {published} was published: see `catalog history`")
    if settings.catalog is None:
        raise ConfigurationError("no catalog is in force")
    return name, shown(settings.catalog.read_bytes())


@dataclass(frozen=True, slots=True)
class Published:
    """A revision that was published; `templates` is None where it is refused now."""

    at: datetime
    name: str
    templates: int | None

    def __str__(self) -> str:
        holds = "refused" if self.templates is None else f"{self.templates} templates"
        return blanked(f"{self.at.isoformat()} {self.name} {holds}")

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {"at": self.at.isoformat(), "revision": self.name, "templates": self.templates}


async def active(here: Site, templates: Collection[str]) -> Catalog:
    """The catalog in force; raise `ConfigurationError` where one of the templates is not active in it."""
    document = (await here.catalog()).document
    for id in sorted(templates):
        if id not in document.templates:
            raise ConfigurationError(f"--template: {id} is not in the catalog in force")
        if id not in document.compiled.turns:
            raise ConfigurationError(f"--template: {id} is not active in the catalog in force")
    return document.compiled


async def history(settings: Settings) -> list[Published]:
    """Each revision that was published, oldest first."""
    async with site(settings) as here:
        revisions = await here.catalogs()
    return [_published(revision) for revision in revisions]


async def published(here: Site) -> list[tuple[str, str]]:
    """For each acceptable revision, oldest first: its name, and the hash of its rules that decisions name."""
    return rules_of(await here.catalogs())


def rules_of(revisions: Iterable[Revision]) -> list[tuple[str, str]]:
    """For each of them that is acceptable: its name, and the hash of its rules that decisions name."""
    documents = ((revision.name, document_of(revision)) for revision in revisions)
    return [(name, document.compiled.revision) for name, document in documents if document is not None]


def differences(before: CatalogDocument, after: CatalogDocument) -> Iterator[str]:
    """What a catalog changes for the templates of another."""
    for id in sorted({*before.templates, *after.templates}):
        old, new = before.templates.get(id), after.templates.get(id)
        if old is None and new is not None:
            yield f"+ {new.name} ({id})"
        elif new is None and old is not None:
            yield f"- {old.name} ({id}): badges that are held stay held"
        elif old is not None and new is not None and old != new:
            yield f"~ {new.name} ({id}): {', '.join(_changed(old, new))}"


def _changed(old: TemplateDeclaration, new: TemplateDeclaration) -> Iterator[str]:
    for key in type(new).model_fields:
        if getattr(old, key) != getattr(new, key):
            yield key


def _published(revision: Revision) -> Published:
    at = datetime.fromtimestamp(revision.timestamp_ms / 1000, UTC)
    document = document_of(revision)
    return Published(at, blanked(revision.name), None if document is None else len(document.templates))


def shown(document: bytes) -> str:
    """A document as a terminal may print it: one that was refused may hold anything, and comments may."""
    return "\n".join(map(blanked, document.decode(errors="replace").splitlines()))


def document_of(revision: Revision) -> CatalogDocument | None:
    """The catalog of a revision; None where it is refused."""
    try:
        return load_catalog(in_force.unpack(revision.value))
    except (CatalogError, ConfigurationError):
        return None


async def _in_force(here: Site) -> CatalogDocument | None:
    try:
        return (await here.catalog()).document
    except ConfigurationError:
        return None
