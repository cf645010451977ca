"""The keys that sign: Ed25519, in a file or behind a command (decision 0098)."""

from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.issuers.open_badges.base58 import multibase

ED25519_PUBLIC = b"\xed\x01"
"""What begins such a key as a Multikey (W3C Controlled Identifiers, section 2.2.2)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, by its public half; without the `private` one a command must sign."""

    public: Ed25519PublicKey
    private: Ed25519PrivateKey | None = None

    @property
    def name(self) -> str:
        """The public key as `publicKeyMultibase`; it names the key in its verification method, too."""
        return multibase(ED25519_PUBLIC + self.public.public_bytes_raw())

    def sign(self, data: bytes) -> bytes | None:
        """The signature, 64 bytes, always the same (RFC 8032); None where the private half is elsewhere."""
        return None if self.private is None else self.private.sign(data)

    def is_signature(self, data: bytes, signature: bytes) -> bool:
        """Whether this is the key's signature of the data."""
        try:
            self.public.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=16)  # organizations of a site, and their next keys
def read_key(pem: str) -> Key:
    """The Ed25519 key in PEM: private (PKCS#8, without a password) or public; raise `ValueError`, which says
    what it is not."""
    try:
        if "PUBLIC KEY" in pem:
            public = load_pem_public_key(pem.encode())
            private = None
        else:
            private = load_pem_private_key(pem.encode(), password=None)
            public = private.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("its key is no key in PEM without a password") from None
    if not isinstance(public, Ed25519PublicKey) or not isinstance(private, Ed25519PrivateKey | None):
        raise ValueError("its key is no Ed25519 key, as `openssl genpkey -algorithm ed25519` makes")
    return Key(public, private)


def no_key(pem: str) -> str:
    """Why a text is no key to sign with; empty if it is one."""
    try:
        read_key(pem)
    except ValueError as error:
        return str(error)
    return ""
