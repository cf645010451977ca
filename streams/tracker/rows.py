"""A learner's row in the table: the progress, and when the learner was forgotten (decision 0041)."""

import orjson

from streams.badges import Progress, dump, load
from streams.kafka.forgotten import FORGOTTEN_BYTES

FORGOTTEN = "f"


def pack(progress: Progress, forgotten: int | None) -> bytes:
    """The row; `forgotten` in microseconds since 1970."""
    value = dump(progress)
    if forgotten is not None:
        value[FORGOTTEN] = forgotten
    return orjson.dumps(value)


def unpack(raw: bytes) -> tuple[Progress, int | None]:
    """The reverse; raises `ValueError` for a version that this program does not know."""
    value = orjson.loads(raw)
    return load(value), value.get(FORGOTTEN)


def is_over(key: bytes, raw: bytes, before: int) -> bool:
    """True for a row that says nothing but that its learner was forgotten before `before`."""
    if len(raw) > FORGOTTEN_BYTES:
        return False
    progress, forgotten = unpack(raw)
    return forgotten is not None and forgotten < before and progress == Progress.initial()
