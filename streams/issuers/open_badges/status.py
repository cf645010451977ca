"""A Bitstring Status List (W3C, version 1.0): a bit a credential, set once it is revoked."""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT

BITS = 131_072
"""Places of a list: the least that the specification allows, so that a look at it tells nobody whose badge is
looked at. As gzip it takes 40 bytes while it is empty, 16 KiB where every second bit is set."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """The bits of a list."""

    bits: bytes = bytes(BITS // 8)

    def revoke(self, place: int) -> "StatusList":
        """The list with the bit of a place set."""
        bits = bytearray(self.bits)
        # Index 0 is the left-most bit (section 2.2 of the specification).
        bits[place >> 3] |= 0x80 >> (place & 7)
        return StatusList(bytes(bits))

    def is_revoked(self, place: int) -> bool:
        """Whether the bit of a place is set."""
        return bool(self.bits[place >> 3] & (0x80 >> (place & 7)))

    def packed(self) -> bytes:
        """The bits in gzip; of the same bits the same bytes, for the time is left out."""
        return gzip.compress(self.bits, mtime=0)

    def encoded(self) -> str:
        """The bits as `encodedList`: gzip in base64url, with its multibase prefix."""
        return "u" + base64.urlsafe_b64encode(self.packed()).rstrip(b"=").decode()


def unpacked(packed: bytes) -> StatusList:
    """The list of packed bits."""
    return StatusList(gzip.decompress(packed))


def decoded(encoded: str) -> StatusList:
    """The list of an `encodedList`."""
    data = encoded.removeprefix("u")
    return unpacked(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))


def entry(list_url: str, place: int) -> Mapping[str, str]:
    """What a credential tells of its place: its `credentialStatus`."""
    return {
        "id": f"{list_url}#{place}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(place),
        "statusListCredential": list_url,
    }


def credential(list_url: str, issuer: str, status: StatusList, valid_from: str) -> dict[str, Any]:
    """The list as a credential, to be signed as the others are."""
    return {
        "@context": [CREDENTIALS_CONTEXT],
        "id": list_url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": valid_from,
        "credentialSubject": {
            "id": f"{list_url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": status.encoded(),
        },
    }
