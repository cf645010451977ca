"""The pinned schemas under ids of our own, for a site without a schema registry (decision 0025)."""

import functools
import json
from typing import Any

from fastavro.schema import fingerprint, to_parsing_canonical_form

from streams.bus import schemas
from streams.errors import UnreadableError

FIRST_ID = 2**31
"""A registry's ids are positive 32-bit numbers with a sign, so none is as high as one of these."""


def id_of(schema: Any) -> int:
    """The id of a schema: Avro's own fingerprint of what determines its bytes, from `FIRST_ID` on."""
    return FIRST_ID + int(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"), 16) % FIRST_ID


def text(schema_id: int) -> str | None:
    """The pinned schema of this id; None if it is none of ours."""
    return _texts().get(schema_id) if schema_id >= FIRST_ID else None


class NoRegistry:
    """In the place of a registry where a site has none; it knows the pinned schemas, and is never away."""

    where = "none, the schemas are built in"
    trouble = ""

    async def start(self) -> None:
        """Nothing: there is nobody to ask."""

    async def stop(self) -> None:
        """Nothing."""

    async def schema_by_id(self, schema_id: int) -> str:
        """The pinned schema of this id; raises `UnreadableError` for any other, without waiting."""
        if (found := text(schema_id)) is None:
            self.raise_if_unknown(schema_id)
        return str(found)

    def raise_if_unknown(self, schema_id: int) -> None:
        """Raise `UnreadableError` for an id that is no pinned schema's."""
        if text(schema_id) is None:
            why = f"id {schema_id} is none of the built-in schemas, and this site has no registry"
            raise UnreadableError("unknown_schema", why)

    async def register(self, subject: str, text: str) -> int:
        """The id of `text`, which is the same on every site."""
        return id_of(json.loads(text))

    look_up = register


@functools.cache
def _texts() -> dict[int, str]:
    pinned = [schemas.schema(event_type) for event_type in schemas.event_types()]
    return {id_of(schema): json.dumps(schema) for schema in pinned}
