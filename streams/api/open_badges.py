"""What an issuer of Open Badges shows to everybody: credentials, status lists, achievements, its keys.

All of it comes from the topic of credentials (decision 0084): nothing is signed here, and no key is known.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Path, Request, Response

from streams.api.asked import Known
from streams.api.view import View
from streams.catalog.document import OpenBadgesOrganization
from streams.issuers.open_badges import did
from streams.relay.terms import about_of

router = APIRouter(include_in_schema=False)

DOCUMENT = "application/vc"
AS_JWT = "application/vc+jwt"
FRESH_SECONDS = 300
"""How long a copy may be shown in place of an answer: a revocation is seen after at most that."""
HEADERS = {
    # Verifiers are pages of other sites, too, and none of this is about who asks.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": f"public, max-age={FRESH_SECONDS}",
    "Vary": "Accept",
}
Name = Annotated[str, Path(pattern=r"^[0-9a-f-]{1,200}$")]


@router.get("/badges/credentials/{id}")
async def credential(view: Known, request: Request, id: Name) -> Response:
    """A credential, with its proof, or as a JWT where that is asked for."""
    return _signed(view, request, f"credentials/{id}")


@router.get("/badges/status/{list}")
async def status_list(view: Known, request: Request, list: Name) -> Response:
    """A status list, likewise."""
    return _signed(view, request, f"status/{list}")


@router.get("/badges/achievements/{template}")
async def achievement(view: Known, template: Name) -> Response:
    """What badges of a template are given for, as the catalog in force says."""
    declared = view.document.templates.get(template)
    organization = declared and view.document.organizations[declared.organization]
    if declared is None or not isinstance(organization, OpenBadgesOrganization):
        raise HTTPException(404, "Not found.")
    about = about_of(declared)
    told: dict[str, Any] = {
        "@context": ["https://www.w3.org/ns/credentials/v2", did.OPEN_BADGES_CONTEXT],
        "id": f"{organization.url.rstrip('/')}/badges/achievements/{template}",
        "type": ["Achievement"],
        "name": about.name,
        "description": about.description,
        "criteria": {"narrative": about.criteria},
    }
    return Response(orjson.dumps(told), media_type="application/ld+json", headers=HEADERS)


@router.get("/.well-known/did.json")
async def did_document(view: Known, request: Request) -> Response:
    """The DID document of the issuer whose host is asked."""
    return _did(view, request, "/.well-known/did.json")


@router.get("/{rest:path}/did.json")
async def did_document_below(view: Known, request: Request, rest: str) -> Response:
    """That of an issuer whose address has a path."""
    return _did(view, request, f"/{rest}/did.json")


def _signed(view: View, request: Request, key: str) -> Response:
    raw = view.questions.published(key)
    if raw is None:
        raise HTTPException(404, "Not found.")
    value = orjson.loads(raw)
    if AS_JWT in request.headers.get("accept", ""):
        return Response(value["jwt"], media_type=AS_JWT, headers=HEADERS)
    return Response(orjson.dumps(value["document"]), media_type=DOCUMENT, headers=HEADERS)


def _did(view: View, request: Request, path: str) -> Response:
    """By host and path one issuer; where none has this host, a proxy may have changed it."""
    declared = view.document.organizations.values()
    here = [
        one
        for one in declared
        if isinstance(one, OpenBadgesOrganization) and did.document_path(one.url.rstrip("/")) == path
    ]
    asked = request.headers.get("host", "").lower()
    exact = [one for one in here if did.host(one.url) == asked]
    found = exact or here
    if len(found) != 1:
        raise HTTPException(404, "Not found.")
    issuer = did.did(found[0].url.rstrip("/"))
    # The newest last: its time is in what was published with it.
    keys = view.questions.published_under(f"keys/{found[0].id}/")
    ordered = sorted(keys, key=lambda name: (orjson.loads(keys[name])["since"], name))
    document = did.document(issuer, ordered)
    return Response(orjson.dumps(document), media_type="application/did+ld+json", headers=HEADERS)
