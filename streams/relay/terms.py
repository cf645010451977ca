"""What the catalog says of organizations, and of how badges are issued."""

from dataclasses import dataclass

from streams.catalog import CatalogDocument, Duration, TemplateDeclaration
from streams.catalog.document import OpenBadgesOrganization
from streams.catalog.texts import in_language
from streams.issuers.issuer import About
from streams.issuers.known import ISSUERS
from streams.relay.keys import KeyRef


@dataclass(frozen=True, slots=True)
class OrganizationTerms:
    """An organization at its issuer, and how to call it; `grant` is where its key gets a token, if any.

    `jwt`: what is signed here is also signed as a JWT.
    """

    id: str
    issuer: str
    base: str
    key: KeyRef | None
    grant: str = ""
    name: str = ""
    jwt: bool = True


NAMELESS = About("", "", "")


@dataclass(frozen=True, slots=True)
class TemplateTerms:
    """How a template's badges are issued; the issuer knows it by `external_id`."""

    id: str
    external_id: str
    organization: str
    notify_award: bool = True
    notify_revoke: bool = False
    expires_after: Duration | None = None
    about: About = NAMELESS
    evidence: bool = False


def terms(document: CatalogDocument) -> tuple[list[OrganizationTerms], dict[str, TemplateTerms]]:
    """The organizations, and the templates by id."""
    organizations = []
    for declared in document.organizations.values():
        issuer, key = ISSUERS[declared.provider], declared.key
        base = issuer.base_url(declared.service, declared.url)
        grant = issuer.grant_url(declared.service, declared.url) if declared.grants else ""
        file = str(key.file) if key and key.file else None
        ref = KeyRef(key.env, file) if key is not None else None
        jwt = not isinstance(declared, OpenBadgesOrganization) or declared.jwt
        organizations.append(
            OrganizationTerms(declared.id, declared.provider, base, ref, grant, declared.name, jwt)
        )
    templates = {
        template.id: TemplateTerms(
            template.id,
            template.id_at_provider,
            template.organization,
            template.notify.award,
            template.notify.revoke,
            template.expires_after,
            about_of(template),
            template.evidence,
        )
        for template in document.templates.values()
    }
    return organizations, templates


def about_of(template: TemplateDeclaration) -> About:
    """What people read of a template, where it says less by what it does say."""
    description = template.description or template.name
    criteria = in_language(template.criteria, ()) if template.criteria else description
    return About(template.name, description, criteria, template.image_url or "")
