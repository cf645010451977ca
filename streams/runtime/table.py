"""Tables: declared as Faust's are, kept as Kafka Streams' are."""

from typing import Any

import faust
from faust.tables.manager import TableManager as FaustTableManager


class Table(faust.Table):
    """A changelog-backed table whose partition n belongs to partition n of `input_topic`.

    It is read and written through the units of `input_topic` only, and kept in memory (decision 0014).
    """

    def __init__(self, app: Any, *, name: str, input_topic: str, changelog: str, **options: Any) -> None:
        super().__init__(app, name=name, key_type=bytes, value_type=bytes, **options)
        self.input_topic = input_topic
        self.changelog = changelog


class TableManager(FaustTableManager):
    """Knows the tables; recovery belongs to the partitions' owners, so Faust's is never started."""

    async def on_start(self) -> None:
        """Let the conductor go on; it waits until tables are registered."""
        self._tables_finalized.set()
        self._tables_registered.set()

    async def on_stop(self) -> None:
        """Nothing is held here."""

    async def wait_until_recovery_completed(self) -> bool:
        """Never waits: a worker serves its pages while partitions recover."""
        return False
