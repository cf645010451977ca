"""The keys that sign: Ed25519, in a file or behind a command."""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.errors import ConfigurationError
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


def read_private(pem: bytes, name: str) -> KeyInMemory:
    """The Ed25519 key in PKCS#8 PEM without a password; `ConfigurationError` names what was read."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{name}: no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{name}: must be an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes"
        )
    return KeyInMemory(key)


def read_public(pem: bytes, name: str) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM; `ConfigurationError` names what was read."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{name}: no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{name}: must be an Ed25519 key")
    return key.public_bytes_raw()


def multikey(public: bytes) -> str:
    """A public key as `publicKeyMultibase`; it names the key in its verification method, too."""
    return multibase(ED25519_PUBLIC + public)
