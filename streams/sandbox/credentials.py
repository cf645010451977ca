"""The Open Badges that a relay has signed, as a verifier sees them: whose they are, and whether genuine."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from streams.issuers.open_badges import did
from streams.issuers.open_badges.base58 import unmultibase
from streams.issuers.open_badges.keys import ED25519_PUBLIC
from streams.issuers.open_badges.proof import hashes
from streams.issuers.open_badges.status import StatusList, unpacked
from streams.kafka.topics import Topics
from streams.relay.issuance import Issuance
from streams.relay.rows import is_issuance, load

Held = tuple[str, int]
"""A template's id and a learner's."""


@dataclass
class Credentials:
    """What the topic of credentials holds, and the relay's issuances, which know whose they are."""

    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, StatusList] = field(default_factory=dict)
    issuances: dict[bytes, Issuance] = field(default_factory=dict)

    def take(self, record: ConsumerRecord, names: Topics) -> None:
        """Take a record of either topic."""
        if record.topic == names.issuances.name:
            self._take_issuance(record.key, record.value)
        else:
            kind, _, name = record.key.decode().partition("/")
            self._take_published(kind, name, record.value)

    @property
    def held(self) -> set[Held]:
        """Who holds which badge, as the credentials and the status lists say."""
        return {
            (issuance.template, issuance.learner)
            for issuance in self.issuances.values()
            if issuance.held and self._is_held(issuance.held)
        }

    @property
    def newest(self) -> str:
        """The address of a credential that is held; empty if there is none."""
        held = (id for id in reversed(self.documents) if self._is_held(id))
        return next((self.documents[id]["id"] for id in held), "")

    def forged(self) -> list[str]:
        """The credentials whose proof is not of a key that the issuer has published."""
        return [id for id, document in self.documents.items() if not self._is_signed(document)]

    def _take_issuance(self, badge: bytes, raw: bytes | None) -> None:
        if raw is None:
            self.issuances.pop(badge, None)
        elif is_issuance(badge):
            self.issuances[badge] = load(orjson.loads(raw))

    def _take_published(self, kind: str, name: str, raw: bytes | None) -> None:
        value = raw and orjson.loads(raw)
        if kind == "credentials" and value:
            self.documents[name] = value["document"]
        elif kind == "credentials":
            self.documents.pop(name, None)
        elif kind == "status" and value:
            bits: str = value["document"]["credentialSubject"]["encodedList"]
            self.lists[name] = unpacked(urlsafe_b64decode(bits.removeprefix("u") + "=="))
        elif kind == "keys" and value:
            multikey = name.rpartition("/")[2]
            public = unmultibase(multikey).removeprefix(ED25519_PUBLIC)
            self.keys[did.method(value["issuer"], multikey)] = public

    def _is_held(self, id: str) -> bool:
        list, place, _ = id.rsplit("-", 2) if id in self.documents else ("", "", "")
        return list in self.lists and not self.lists[list].is_revoked(int(place))

    def _is_signed(self, document: Mapping[str, Any]) -> bool:
        unsigned = {name: value for name, value in document.items() if name != "proof"}
        options = dict(document["proof"])
        signature = unmultibase(options.pop("proofValue"))
        public = self.keys.get(options["verificationMethod"])
        if public is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, hashes(unsigned, options))
        except InvalidSignature:
            return False
        return True
