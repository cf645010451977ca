"""The badge templates of the credentials service as a catalog, and what that changes of their meaning."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from streams.catalog.wording import load_worded
from streams.errors import CatalogError, ConfigurationError, FatalError
from streams.operate.importing.conditions import Template, penalties, requirements
from streams.operate.importing.copying import copied
from streams.operate.importing.sources import Access
from streams.operate.importing.tables import OF_A_CATALOG
from streams.operate.importing.written import written

ACCOUNTS = UUID("2b9d0a44-7c0e-4d1e-8f5b-1c6a0e3d9f72")
"""The namespace of the ids of accounts at Accredible; drawn once."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A catalog's text, and a line for each thing that it does not mean as the credentials service does."""

    text: str
    report: Sequence[str]


def import_catalog(
    source: str, access: Access, site: str | None = None, *, sandbox: bool = False
) -> Imported:
    """The catalog of what is in the source, one that `check` accepts.

    Only the templates of a `site`, by its domain, if one is given. `sandbox`: the organizations are those of
    the issuers' sandboxes. Raises `ConfigurationError` for a source that cannot be read.
    """
    with copied(source, access, OF_A_CATALOG) as copy:
        templates = [_template(copy, *row) for row in copy.execute(_TEMPLATES, (site, site)).fetchall()]
        written_ones = [template for template in templates if template.value["requirements"]]
        organizations = _organizations(copy, written_ones, sandbox=sandbox)
        report = [*_about_all(copy, organizations, site), *_about(templates)]
    text = written(organizations, [(template.value, template.notes) for template in written_ones])
    try:
        load_worded(text)
    except CatalogError as error:
        raise FatalError(f"what would be written is refused:\n{error}") from None
    return Imported(text, report)


_ORGANIZATIONS = "SELECT uuid, name FROM badges_credlyorganization ORDER BY id"
_ACCOUNTS = "SELECT id, name FROM badges_accredibleapiconfig ORDER BY id"
_WITH_ISSUERS = """
    badges_badgetemplate t
    LEFT JOIN badges_credlybadgetemplate c ON c.badgetemplate_ptr_id = t.id
    LEFT JOIN badges_credlyorganization o ON o.id = c.organization_id
    LEFT JOIN badges_accrediblegroup g ON g.badgetemplate_ptr_id = t.id
    LEFT JOIN badges_accredibleapiconfig a ON a.id = g.api_config_id
"""
_TEMPLATES = f"""
    SELECT t.id, t.uuid, t.name, t.description, t.icon, t.state, t.is_active, o.uuid, a.id
    FROM {_WITH_ISSUERS} LEFT JOIN django_site s ON s.id = t.site_id
    WHERE (o.id IS NOT NULL OR a.id IS NOT NULL) AND (? IS NULL OR s.domain = ?)
    ORDER BY t.id
"""  # noqa: S608 (made of the text above)
_OF_NOBODY = f"""
    SELECT t.name, t.uuid FROM {_WITH_ISSUERS} WHERE o.id IS NULL AND a.id IS NULL ORDER BY t.id
"""  # noqa: S608
_SITES = """
    SELECT DISTINCT coalesce(s.domain, t.site_id) FROM badges_badgetemplate t
    LEFT JOIN django_site s ON s.id = t.site_id ORDER BY 1
"""


def _organizations(
    copy: sqlite3.Connection, templates: Sequence[Template], *, sandbox: bool
) -> list[dict[str, Any]]:
    """Those that have one of the templates."""
    found = [
        *(_organization(*row, sandbox=sandbox) for row in copy.execute(_ORGANIZATIONS)),
        *(_account(*row, sandbox=sandbox) for row in copy.execute(_ACCOUNTS)),
    ]
    wanted = {template.value["organization"] for template in templates}
    return [organization for organization in found if organization["id"] in wanted]


def _organization(uuid: str, name: str | None, *, sandbox: bool) -> dict[str, Any]:
    id = _uuid(uuid)
    where = {"environment": "sandbox"} if sandbox else {}
    # The key itself is never read: it may be in the app's database or in its settings.
    return {"id": id, "name": name or "", **where, "api_key": {"file": f"credly-{id}.key"}}


def _account(id: int, name: str | None, *, sandbox: bool) -> dict[str, Any]:
    """An account at Accredible, which has no UUID there."""
    uuid = account_id(id)
    where = {"region": "sandbox"} if sandbox else {}
    key = {"file": f"accredible-{uuid}.key"}
    return {"id": uuid, "name": name or "", "provider": "accredible", **where, "api_key": key}


def account_id(id: int) -> str:
    """The UUID of an account at Accredible: the same at every import."""
    return str(uuid5(ACCOUNTS, str(id)))


def _about_all(
    copy: sqlite3.Connection, organizations: Sequence[dict[str, Any]], site: str | None
) -> Iterator[str]:
    for organization in organizations:
        yield (
            f"organization {organization['name']!r} ({organization['id']}): put its key into the file "
            f"{organization['api_key']['file']} of the keys' directory; it is in the app's table of "
            "organizations, or in its setting BADGES_CONFIG"
        )
    sites = [str(domain) for (domain,) in copy.execute(_SITES)]
    if len(sites) > 1 and site is None:
        yield (
            f"templates of several sites are together here ({', '.join(sites)}): where their "
            "learners are not the same, a catalog (by --site) and a BADGES_APP_ID for each"
        )
    for name, uuid in copy.execute(_OF_NOBODY):
        yield f"{name!r} ({_uuid(uuid)}): not imported: it is neither Credly's nor Accredible's"


def _about(templates: Iterable[Template]) -> Iterator[str]:
    for template in templates:
        yield from (f"{template}: {note}" for note in template.notes)
        if not template.value["requirements"]:
            yield f"{template}: not imported: it has no requirement that can be written"


def _template(
    copy: sqlite3.Connection,
    id: int,
    uuid: str,
    name: str,
    description: str | None,
    icon: str | None,
    state: str | None,
    is_active: int,
    organization: str | None,
    account: int | None,
) -> Template:
    value: dict[str, Any] = {"id": _uuid(uuid)}
    if organization is not None:
        value["organization"] = _uuid(organization)
    elif account is not None:
        # The service gives a group of Accredible its number, and a UUID of its own.
        value |= {"external_id": str(id), "organization": account_id(account)}
    value["name"] = name or uuid
    if description:
        value["description"] = description
    if icon and icon.startswith(("https://", "http://")):
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
