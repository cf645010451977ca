"""A badge of one's own issuer for whoever is shown it: what is signed, and whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from fastapi import Response

from streams.api.html.addresses import page
from streams.api.html.languages import spoken
from streams.api.html.rendering import style
from streams.api.models import TemplateSummary


@dataclass(frozen=True, slots=True)
class Shown:
    """What a credential says, and its state now."""

    address: str
    template: TemplateSummary
    criteria: str
    evidence: Sequence[tuple[str, str]]
    issuer: str
    site: str
    name_of_issuer: str
    state: Literal["held", "expired", "revoked"]
    awarded_at: str
    expires_at: str | None
    status_list: str
    suite: str
    jwt: bool

    @property
    def file(self) -> str:
        """The last part of its address, which those of its files begin with."""
        return self.address.rpartition("/")[2]


def shown(document: Mapping[str, Any], revoked: bool, now: datetime, *, jwt: bool) -> Shown:
    """What is shown of a credential as it was signed; `jwt`: it was signed as one, too."""
    issuer, achievement = document["issuer"], document["credentialSubject"]["achievement"]
    until = document.get("validUntil")
    expired = until is not None and datetime.fromisoformat(until) <= now
    return Shown(
        address=document["id"],
        template=TemplateSummary(
            id=achievement["id"].rpartition("/")[2],
            name=achievement["name"],
            description=achievement["description"],
            image_url=achievement.get("image", {}).get("id"),
        ),
        criteria=achievement["criteria"]["narrative"],
        evidence=[(one["name"], one["narrative"]) for one in document.get("evidence", ())],
        issuer=issuer["id"],
        site=issuer.get("url", ""),
        name_of_issuer=issuer["name"],
        state="revoked" if revoked else "expired" if expired else "held",
        awarded_at=document["validFrom"],
        expires_at=until,
        status_list=document["credentialStatus"]["statusListCredential"],
        suite=document["proof"]["cryptosuite"],
        jwt=jwt,
    )


def credential_page(
    credential: Shown, path: str, languages: Sequence[str], headers: Mapping[str, str]
) -> Response:
    """The page of a credential, which was asked for at `path`."""
    # All addresses are from there: an issuer's may have a path before it that we do not see.
    folder = "../" if path.endswith("/") else "./"
    values = {"shown": credential, "folder": folder, "style": f"{folder}../style/{style()[0]}"}
    return page("credential.html", spoken(languages), values, headers=headers)
