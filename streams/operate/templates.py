"""Compare the templates of a catalog's file with what their issuers say of them, and take that over.

An issuer says what a template is called, what it looks like, and whether it is active; what earns it, it does
not know.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID, uuid5

import yaml

from streams.catalog import CatalogDocument, TemplateDeclaration, load_catalog
from streams.catalog.document_types import normal_id
from streams.catalog.wording import load_worded
from streams.clock import Clock
from streams.errors import CatalogError, FatalError
from streams.issuers.client import Http
from streams.issuers.issuer import drive
from streams.issuers.outcomes import IssuerTemplate, Unsupported
from streams.logs import blanked
from streams.operate.asking import asked, limits_of, wanted
from streams.relay.keys import reach
from streams.relay.organizations import Organizations
from streams.relay.terms import terms
from streams.settings import Settings

Kind = Literal["new", "name", "description", "image_url", "inactive", "missing"]

PLACEHOLDER = "org.openedx.learning.course.passing.status.updated.v1"
"""A template must have a requirement: an inactive one has this until a person writes what earns it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A template of which the file and its issuer say different things.

    ================================== =========================================================
    `new`                               the issuer has it, and the file does not
    `name`, `description`, `image_url`  the texts differ
    `inactive`                          the file has it as active, and at the issuer it is not
    `missing`                           the file has it, and the issuer does not
    ================================== =========================================================

    `template` is the issuer's id, `here` what the file says, `there` what the issuer says.
    """

    kind: Kind
    organization: str
    template: str
    here: str
    there: str

    def __str__(self) -> str:
        parts = (self.kind, self.template, self.here, self.there)
        return "\t".join(blanked(part) or "-" for part in parts)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What differs, and of which organizations nothing could be asked, a line each.

    `more` are the texts of those that are new, which are taken over once they are in the file.
    """

    differences: Sequence[Difference]
    unasked: Sequence[str]
    more: Sequence[Difference] = ()


async def pull(settings: Settings, text: str | bytes, names: Sequence[str]) -> Pulled:
    """Ask the issuers of a catalog's organizations, or of those named.

    Raises `CatalogError` for a catalog that is refused, `ConfigurationError` for an organization that it does
    not have or whose key is missing, `FatalError` if an issuer does not answer.
    """
    document = load_worded(text)
    http, clock = Http(), Clock()
    organizations = Organizations(limits_of(settings), http, clock, reach(settings))
    organizations.take(*terms(document))
    differences: list[Difference] = []
    more: list[Difference] = []
    unasked: list[str] = []
    try:
        for organization in wanted(organizations, names):
            found = await drive(organization.issuer.templates(organization.id), asked(organization, clock))
            if isinstance(found, Unsupported):
                unasked.append(f"organization {organization.id}: {found.why}")
            elif isinstance(found, tuple):
                of_one = list(compare(document, organization.id, found))
                differences += of_one
                more += texts_of_new(of_one, found)
            else:
                raise FatalError(f"organization {organization.id}: no list of its templates: {found.why}")
    finally:
        await http.close()
    return Pulled(differences, unasked, more)


def compare(
    document: CatalogDocument, organization: str, found: Sequence[IssuerTemplate]
) -> Iterator[Difference]:
    """The differences of an organization's templates, those of the file first."""
    own = {t.id_at_provider: t for t in document.templates.values() if t.organization == organization}
    there = {normal_id(template.id): template for template in found}
    for id, template in own.items():
        if id not in there:
            yield Difference("missing", organization, id, template.name, "")
            continue
        yield from _texts(organization, id, template, there[id])
        if template.active and not there[id].active:
            yield Difference("inactive", organization, id, "active", "inactive")
    for id, described in there.items():
        if described.active and id not in own:
            yield Difference("new", organization, id, "", described.name)


def texts_of_new(differences: Sequence[Difference], found: Sequence[IssuerTemplate]) -> Iterator[Difference]:
    """What an issuer says of the templates that are new besides their names."""
    there = {normal_id(template.id): template for template in found}
    for one in differences:
        if one.kind == "new":
            described = there[one.template]
            if described.description:
                yield replace(one, kind="description", there=described.description)
            if described.image_url:
                yield replace(one, kind="image_url", there=described.image_url)


def _texts(
    organization: str, id: str, here: TemplateDeclaration, there: IssuerTemplate
) -> Iterator[Difference]:
    """Which texts differ; what the issuer does not say is left as it is."""
    pairs: Mapping[Kind, tuple[str | None, str]] = {
        "name": (here.name, there.name),
        "description": (here.description, there.description),
        "image_url": (here.image_url, there.image_url),
    }
    for kind, (mine, theirs) in pairs.items():
        if theirs and mine != theirs:
            yield Difference(kind, organization, id, mine or "", theirs)


def written(text: str, differences: Sequence[Difference]) -> str:
    """The file's text with the differences taken over, and nothing else of it changed.

    Raises `CatalogError` where the file's form does not allow that. What is `missing` is a person's decision.
    """
    edits = [edit for difference in differences for edit in _edits(text, difference)]
    line_end = "\r\n" if "\r\n" in text else "\n"
    for start, end, put in sorted(edits, reverse=True):
        text = text[:start] + put.replace("\n", line_end) + text[end:]
    load_catalog(text)
    return text


Edit = tuple[int, int, str]
"""From where to where in the text, and what is to be there."""


def _edits(text: str, difference: Difference) -> Iterator[Edit]:
    root = yaml.compose(text)
    templates = _value(root, "templates")
    if difference.kind == "new":
        yield _added(text, root, templates, difference)
        return
    if difference.kind == "missing":
        return
    inactive = difference.kind == "inactive"
    key, value = ("active", "false") if inactive else (difference.kind, _scalar(difference.there))
    for template in templates.value if isinstance(templates, yaml.SequenceNode) else ():
        if _id(template) == difference.template:
            yield _set(text, template, key, value)


def _set(text: str, template: yaml.MappingNode, key: str, value: str) -> Edit:
    """Set a key's value where it is, or before the first key."""
    there = _value(template, key)
    if isinstance(there, yaml.ScalarNode):
        start = there.start_mark.index
        # A text in lines of its own reaches to the line of the next key.
        was = text[start : there.end_mark.index].rstrip()
        if was.startswith("&"):  # it is named elsewhere, or here by an alias
            raise CatalogError(
                [f"{key} of template {_id(template)}: written with an anchor (&): change it by hand"]
            )
        return start, start + len(was), value if was else f" {value}"
    first = template.value[0][0].start_mark
    after = ", " if template.flow_style else "\n" + " " * first.column
    return first.index, first.index, f"{key}: {value}{after}"


def _added(text: str, root: Any, templates: Any, difference: Difference) -> Edit:
    """A template of which only the requirements are still to be written."""
    if not isinstance(templates, yaml.SequenceNode) or templates.flow_style or not templates.value:
        raise CatalogError(["templates: must be a list in lines, with a first template, to be added to"])
    id = difference.template
    own = id if re.fullmatch(r"[0-9a-f-]{36}", id) else str(uuid5(UUID(difference.organization), id))
    column = templates.start_mark.column
    lines = [
        f"- id: {own}",
        *([] if own == id else [f"  external_id: {id}"]),
        f"  organization: {difference.organization}",
        # Not every draft has a name at its issuer, and a template must have one.
        f"  name: {_scalar(difference.there or id)}",
        "  active: false",
        "  requirements:  # what earns it, instead of this",
        f"    - {{id: todo, event_type: {PLACEHOLDER}}}",
    ]
    end = templates.end_mark.index
    end = len(text[:end].rstrip()) if text[:end].strip() else end
    return end, end, "".join("\n" + " " * column + line for line in lines)


def _value(node: Any, key: str) -> Any:
    """The node of a key's value in a mapping; None if there is none."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _id(template: Any) -> str:
    """What the issuer calls a template."""
    named = _value(template, "external_id") or _value(template, "id")
    return str(named.value).lower() if isinstance(named, yaml.ScalarNode) else ""


def _scalar(text: str) -> str:
    """A text as one line of YAML."""
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000)
    return quoted.strip()
