"""The keys that sign: Ed25519, in a file or behind a command."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams.issuers.open_badges.base58 import multibase

ED25519_PUBLIC = b"\xed\x01"
"""What begins such a key as a Multikey (W3C Controlled Identifiers, section 2.2.2)."""


class Key(Protocol):
    """What signs. The same data gives the same signature, as Ed25519 does (RFC 8032)."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`, 64 bytes."""


@dataclass(frozen=True, slots=True)
class KeyInMemory:
    """A key that was read from a file."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`, 64 bytes."""
        return self.private.sign(data)


@lru_cache(maxsize=16)  # organizations of a site, and their next keys
def read_private(pem: str) -> KeyInMemory:
    """The Ed25519 key in PKCS#8 PEM without a password; raise `ValueError`, which says what it is not."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("its key is no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("its key is no Ed25519 key, as `openssl genpkey -algorithm ed25519` makes")
    return KeyInMemory(key)


def no_key(pem: str) -> str:
    """Why a text is no key to sign with; empty if it is one."""
    try:
        read_private(pem)
    except ValueError as error:
        return str(error)
    return ""


def multikey(public: bytes) -> str:
    """A public key as `publicKeyMultibase`; it names the key in its verification method, too."""
    return multibase(ED25519_PUBLIC + public)
