"""What an issuer of Open Badges shows to everybody: credentials, status lists, achievements, its keys.

All of it comes from the topic of credentials (decision 0084): nothing is signed here, and no key is known.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import AfterValidator

from streams.api.asked import LATER, Known, Languages
from streams.api.html.addresses import ForBrowsers
from streams.api.html.credential import credential_page, shown
from streams.api.negotiation import preferred
from streams.api.pictures import Pictures
from streams.api.view import View
from streams.catalog.document import OpenBadgesOrganization
from streams.issuers.open_badges import did
from streams.issuers.open_badges.achievement import Achievement
from streams.issuers.open_badges.status import decoded
from streams.relay.terms import about_of

router = APIRouter(route_class=ForBrowsers, include_in_schema=False)

DOCUMENT = "application/vc"
AS_JWT = "application/vc+jwt"
AS_JSON = (DOCUMENT, "application/json", "application/ld+json", "application/vc+ld+json")
FORMS = {
    **dict.fromkeys(AS_JSON, "json"),
    AS_JWT: "jwt",
    **dict.fromkeys(("text/html", "application/xhtml+xml"), "html"),
    "image/png": "png",
    "image/svg+xml": "svg",
}
"""What a credential is there as, by media types."""
PICTURE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Whoever drew it, an SVG that is opened runs nothing and asks nobody."""
FRESH_SECONDS = 300
"""How long a copy may be shown in place of an answer: a revocation is seen after at most that."""
HEADERS = {
    # Verifiers are pages of other sites, too, and none of this is about who asks.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": f"public, max-age={FRESH_SECONDS}",
    "Vary": "Accept",
    # Its address is known to whom it was shown, and is not to be found.
    "X-Robots-Tag": "noindex",
}
File = Literal["json", "jwt", "png", "svg"]
# UUIDs, which are the same in any case.
Name = Annotated[str, Path(pattern=r"^[0-9a-fA-F-]{1,200}$"), AfterValidator(str.lower)]


@router.get("/badges/credentials/{id}.{form}")
async def file(view: Known, request: Request, id: Name, form: File) -> Response:
    """A credential to be kept: as wallets take it, or as a picture that has it in it."""
    value = _published(view, f"credentials/{id}")
    answer = await _as(form, value, request)
    name = re.sub(r"[^a-z0-9]+", "-", value["document"]["name"].lower()).strip("-") or "badge"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer


@router.get("/badges/credentials/{id}")
@router.get("/badges/credentials/{id}/")
async def credential(view: Known, request: Request, id: Name, languages: Languages) -> Response:
    """A credential with its proof, as a JWT, as a picture, or for people."""
    value = _published(view, f"credentials/{id}")
    form = preferred(request.headers.get("accept"), _forms(value), "json")
    if form == "html":
        state = shown(value["document"], _revoked(view, value), view.clock.wall(), jwt="jwt" in value)
        return credential_page(
            state, request.url.path, languages, HEADERS | {"Vary": "Accept, Accept-Language"}
        )
    return await _as(form, value, request)


@router.get("/badges/status/{list}")
@router.get("/badges/status/{list}/")
async def status_list(view: Known, request: Request, list: Name) -> Response:
    """A status list, likewise, for programs alone."""
    value = _published(view, f"status/{list}")
    signed = {media: form for media, form in _forms(value).items() if form in ("json", "jwt")}
    form = preferred(request.headers.get("accept"), signed, "json")
    return await _as(form, value, request)


@router.get("/badges/achievements/{template}")
@router.get("/badges/achievements/{template}/")
async def achievement(view: Known, template: Name) -> Response:
    """What badges of a template are given for, as the catalog in force says."""
    declared = view.document.templates.get(template)
    organization = declared and view.document.organizations[declared.organization]
    if declared is None or not isinstance(organization, OpenBadgesOrganization):
        raise HTTPException(404, "Not found.")
    about = about_of(declared)
    address = f"{organization.url.rstrip('/')}/badges/achievements/{template}"
    told = Achievement(address, about.name, about.description, about.criteria, about.image).told()
    return _linked(told)


@router.get("/badges/issuers/{organization}")
@router.get("/badges/issuers/{organization}/")
async def issuer(view: Known, organization: Name) -> Response:
    """Who issues, as each of its credentials tells it."""
    declared = view.document.organizations.get(organization)
    if not isinstance(declared, OpenBadgesOrganization):
        raise HTTPException(404, "Not found.")
    url = declared.url.rstrip("/")
    return _linked({"id": did.did(url), "type": ["Profile"], "name": declared.name, "url": url})


@router.get("/.well-known/did.json")
async def did_document(view: Known, request: Request) -> Response:
    """The DID document of the issuer whose host is asked."""
    return _did(view, request, "/.well-known/did.json")


@router.get("/{rest:path}/did.json")
async def did_document_below(view: Known, request: Request, rest: str) -> Response:
    """That of an issuer whose address has a path."""
    return _did(view, request, f"/{rest}/did.json")


def _linked(told: Mapping[str, Any]) -> Response:
    contexts = [did.CREDENTIALS_CONTEXT, did.OPEN_BADGES_CONTEXT]
    content = orjson.dumps({"@context": contexts} | dict(told))
    return Response(content, media_type="application/ld+json", headers=HEADERS)


def _published(view: View, key: str) -> dict[str, Any]:
    raw = view.questions.published(key)
    if raw is None:
        raise HTTPException(404, "Not found.")
    value: dict[str, Any] = orjson.loads(raw)
    return value


def _forms(value: Mapping[str, Any]) -> Mapping[str, str]:
    """What it is there as: not every issuer wants JWTs."""
    return {media: form for media, form in FORMS.items() if form != "jwt" or "jwt" in value}


async def _as(form: str, value: Mapping[str, Any], request: Request) -> Response:
    if form == "json":
        # By the name that is asked for: some programs read as JSON only what is called so.
        media = preferred(request.headers.get("accept"), dict(zip(AS_JSON, AS_JSON, strict=True)), DOCUMENT)
        return Response(orjson.dumps(value["document"]), media_type=media, headers=HEADERS)
    if form == "jwt":
        if "jwt" not in value:
            raise HTTPException(404, "Not found.")
        return Response(value["jwt"], media_type=AS_JWT, headers=HEADERS)
    pictures: Pictures = request.app.state.pictures
    baked = await pictures.baked(value["document"], form)
    media = "image/png" if form == "png" else "image/svg+xml"
    return Response(baked, media_type=media, headers=HEADERS | {"Content-Security-Policy": PICTURE})


def _revoked(view: View, value: Mapping[str, Any]) -> bool:
    entry = value["document"]["credentialStatus"]
    list = view.questions.published(f"status/{entry['statusListCredential'].rpartition('/')[2]}")
    if list is None:
        # It is on another partition of the topic, and on its way.
        raise HTTPException(503, "Not ready: the status list.", LATER)
    encoded = orjson.loads(list)["document"]["credentialSubject"]["encodedList"]
    return decoded(encoded).is_revoked(int(entry["statusListIndex"]))


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
