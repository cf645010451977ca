"""A learner's row in the table: progress (decision 0063), and when they were forgotten (decision 0041)."""

import orjson
import ormsgpack

from streams.badges import Progress, dump, load
from streams.kafka.forgotten import FORGOTTEN_BYTES

FORGOTTEN = "f"


def pack(progress: Progress, forgotten: int | None) -> bytes:
    """The row; `forgotten` in microseconds since 1970."""
    value = dump(progress)
    if forgotten is not None:
        value[FORGOTTEN] = forgotten
    return ormsgpack.packb(value)


def unpack(raw: bytes) -> tuple[Progress, int | None]:
    """The reverse; raises `ValueError` for a version that this program does not know."""
    # Until version 3 it was JSON, which no map of MessagePack begins like.
    value = orjson.loads(raw) if raw[:1] == b"{" else ormsgpack.unpackb(raw)
    return load(value), value.get(FORGOTTEN)


def is_over(key: bytes, raw: bytes, before: int) -> bool:
    """True for a row that says nothing but that its learner was forgotten before `before`."""
    if len(raw) > FORGOTTEN_BYTES:
        return False
    progress, forgotten = unpack(raw)
    return forgotten is not None and forgotten < before and progress == Progress.initial()
