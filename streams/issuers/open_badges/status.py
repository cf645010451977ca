"""A Bitstring Status List (W3C, version 1.0): a bit a credential, set once it is revoked."""

import base64
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.errors import UnreadableError
from streams.issuers.open_badges.proof import CREDENTIALS

BITS = 131_072
"""Places of a list: the least that the specification allows, so that a look at it tells nobody whose badge is
looked at. As gzip it takes 40 bytes while it is empty, 16 KiB where every second bit is set."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """The bits of a list and how many places are taken, in the order in which badges were issued."""

    bits: bytes = bytes(BITS // 8)
    taken: int = 0

    @property
    def is_full(self) -> bool:
        """Whether a further badge needs another list."""
        return self.taken >= BITS

    def take(self) -> tuple["StatusList", int]:
        """The list with one place more taken, and the place."""
        assert not self.is_full
        return StatusList(self.bits, self.taken + 1), self.taken

    def revoke(self, places: Iterable[int]) -> "StatusList":
        """The list with the bits of these places set."""
        bits = bytearray(self.bits)
        for place in places:
            # Index 0 is the left-most bit (section 2.2 of the specification).
            bits[place >> 3] |= 0x80 >> (place & 7)
        return StatusList(bytes(bits), self.taken)

    def is_revoked(self, place: int) -> bool:
        """Whether the bit of a place is set."""
        return bool(self.bits[place >> 3] & (0x80 >> (place & 7)))

    def encoded(self) -> str:
        """The bits as `encodedList`: gzip in base64url, with its multibase prefix."""
        packed = gzip.compress(self.bits, mtime=0)  # without the time: the same bits, the same text
        return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decoded(encoded: str, taken: int) -> StatusList:
    """The list of an `encodedList`; raise `UnreadableError` where it is none of `BITS` places."""
    try:
        data = base64.urlsafe_b64decode(encoded[1:] + "=" * (-(len(encoded) - 1) % 4))
        bits = gzip.decompress(data)
    except (ValueError, OSError, EOFError) as error:
        raise UnreadableError("malformed", f"no status list: {error}") from None
    if encoded[:1] != "u" or len(bits) != BITS // 8 or not 0 <= taken <= BITS:
        raise UnreadableError("malformed", "no status list of this issuer")
    return StatusList(bits, taken)


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
        "@context": [CREDENTIALS],
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
