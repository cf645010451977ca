"""Every issuer, by the name that the catalog gives to it: apart, because most of what is here needs none."""

from collections.abc import Mapping

from streams.issuers.accredible.issuer import ACCREDIBLE
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.issuer import Issuer
from streams.issuers.open_badges.issuer import OPEN_BADGES
from streams.issuers.webhook.issuer import WEBHOOK

ISSUERS: Mapping[str, Issuer] = {
    "credly": CREDLY,
    "accredible": ACCREDIBLE,
    "open_badges": OPEN_BADGES,
    "webhook": WEBHOOK,
}
"""By the name that the catalog gives to an organization's provider."""
