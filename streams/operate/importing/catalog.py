"""The badge templates of the credentials service as a catalog, and what that changes of their meaning."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from streams.catalog.wording import load_worded
from streams.errors import CatalogError, ConfigurationError, FatalError
from streams.operate.importing.conditions import Template, penalties, requirements
from streams.operate.importing.copying import copied
from streams.operate.importing.sources import Access
from streams.operate.importing.tables import OF_A_CATALOG
from streams.operate.importing.written import written


@dataclass(frozen=True, slots=True)
class Imported:
    """A catalog's text, and a line for each thing that it does not mean as the credentials service does."""

    text: str
    report: Sequence[str]


def import_catalog(
    source: str, access: Access, site: str | None = None, *, sandbox: bool = False
) -> Imported:
    """The catalog of what is in the source, one that `check` accepts.

    Only the templates of a `site`, by its domain, if one is given. `sandbox`: the organizations are Credly's
    sandbox's. Raises `ConfigurationError` for a source that cannot be read.
    """
    with copied(source, access, OF_A_CATALOG) as copy:
        organizations = [
            _organization(uuid, name, sandbox=sandbox)
            for uuid, name in copy.execute("SELECT uuid, name FROM badges_credlyorganization ORDER BY id")
        ]
        report = list(_about_all(copy, organizations, site))
        templates = []
        for row in copy.execute(_TEMPLATES, (site, site)):
            template = _template(copy, *row)
            if template.value["requirements"]:
                templates.append(template)
            else:
                template.notes = [*template.notes, "not imported: it has no requirement that can be written"]
            report += [f"{template}: {note}" for note in template.notes]
    text = written(organizations, [(template.value, template.notes) for template in templates])
    try:
        load_worded(text)
    except CatalogError as error:
        raise FatalError(f"what would be written is refused:\n{error}") from None
    return Imported(text, report)


_TEMPLATES = """
    SELECT t.id, t.uuid, t.name, t.description, t.icon, t.state, t.is_active, o.uuid
    FROM badges_badgetemplate t
    JOIN badges_credlybadgetemplate c ON c.badgetemplate_ptr_id = t.id
    JOIN badges_credlyorganization o ON o.id = c.organization_id
    LEFT JOIN django_site s ON s.id = t.site_id
    WHERE ? IS NULL OR s.domain = ?
    ORDER BY t.id
"""
_OF_NO_CREDLY = """
    SELECT t.name, t.uuid, g.badgetemplate_ptr_id
    FROM badges_badgetemplate t
    LEFT JOIN badges_accrediblegroup g ON g.badgetemplate_ptr_id = t.id
    WHERE t.id NOT IN (SELECT c.badgetemplate_ptr_id FROM badges_credlybadgetemplate c
                       JOIN badges_credlyorganization o ON o.id = c.organization_id)
    ORDER BY t.id
"""
_SITES = """
    SELECT DISTINCT coalesce(s.domain, t.site_id) FROM badges_badgetemplate t
    LEFT JOIN django_site s ON s.id = t.site_id ORDER BY 1
"""


def _organization(uuid: str, name: str | None, *, sandbox: bool) -> dict[str, Any]:
    id = _uuid(uuid)
    where = {"environment": "sandbox"} if sandbox else {}
    # The key itself is never read: it may be in the app's database or in its settings.
    return {"id": id, "name": name or "", **where, "api_key": {"file": f"credly-{id}.key"}}


def _about_all(
    copy: sqlite3.Connection, organizations: Sequence[dict[str, Any]], site: str | None
) -> Iterator[str]:
    for organization in organizations:
        yield (
            f"organization {organization['name']!r} ({organization['id']}): put its key into the file "
            f"{organization['api_key']['file']} of the keys' directory; it is in the app's table of "
            'organizations or in BADGES_CONFIG["credly"]["ORGANIZATIONS"]'
        )
    sites = [str(domain) for (domain,) in copy.execute(_SITES)]
    if len(sites) > 1 and site is None:
        yield (
            f"templates of several sites are together here ({', '.join(sites)}): a catalog and a BADGES_APP "
            "for each, by --site, where their learners are not the same"
        )
    for name, uuid, group in copy.execute(_OF_NO_CREDLY):
        what = "neither Credly's nor Accredible's" if group is None else f"group {group} of Accredible"
        yield f"{name!r} ({_uuid(uuid)}): not imported: {what}"


def _template(
    copy: sqlite3.Connection,
    id: int,
    uuid: str,
    name: str,
    description: str | None,
    icon: str | None,
    state: str | None,
    is_active: int,
    organization: str,
) -> Template:
    value: dict[str, Any] = {"id": _uuid(uuid), "organization": _uuid(organization), "name": name or uuid}
    if description:
        value["description"] = description
    if icon and icon.startswith("https://"):
        value["image_url"] = icon
    template = Template(value)
    if not is_active or state != "active":
        value["active"] = False
        template.notes.append(f"inactive, as there (is_active {bool(is_active)}, state {state})")
    value["requirements"] = list(requirements(copy, id, template))
    penalties_here = list(penalties(copy, id, template))
    if penalties_here:
        value["penalties"] = penalties_here
    return template


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ConfigurationError(f"SOURCE: {text!r} is no UUID") from None
