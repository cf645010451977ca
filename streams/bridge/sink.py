"""Where badge events go in Redis: a stream, and with it how far each partition of Kafka was brought there.

Both are written by one script, which Redis runs whole or not at all (decision 0023).
"""

from collections.abc import Sequence

from redis.asyncio import Redis

from streams.bus.entries import ATTRIBUTES, DATA

Entry = Sequence[bytes]
"""The values of an entry's eight fields, in their order."""

NAMES = (*ATTRIBUTES, DATA)
# Who comes late finds another place than the one that it goes on from, and writes nothing.
SCRIPT = f"""
local place = redis.call('HGET', KEYS[1], ARGV[1])
if (place or '') ~= ARGV[2] then return 0 end
for i = 5, #ARGV, {len(NAMES)} do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', {
    ", ".join(f"'{name}', ARGV[i + {at}]" for at, name in enumerate(NAMES))
})
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class Sink:
    """A stream by its key, and the hash that has the next offset of each partition of a topic."""

    def __init__(self, redis: Redis, stream: str, places: str, max_len: int) -> None:
        self.stream = stream
        self._redis = redis
        self._places = places
        self._max_len = max_len
        self._script = redis.register_script(SCRIPT)

    async def place(self, partition: str) -> int | None:
        """The next offset of a partition to be brought here; None where nothing says so."""
        place = await self._redis.execute_command("HGET", self._places, partition)
        return None if place is None else int(place)

    async def add(self, partition: str, place: int | None, after: int, entries: Sequence[Entry]) -> bool:
        """Add entries and go on at the offset `after`; False, and nothing done, unless it is at `place`."""
        expected = "" if place is None else place
        given = [partition, expected, after, self._max_len, *(value for entry in entries for value in entry)]
        return bool(await self._script(keys=[self._places, self.stream], args=given))
