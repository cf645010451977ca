"""How far a command has come: nothing is shown here, and a bar by `streams.operate.terminal`."""


class Meter:
    """Is told how far a command has read; this one shows nothing."""

    def expect(self, offsets: int) -> None:
        """So many more are to be read."""

    def advance(self, offsets: int) -> None:
        """So many are passed."""


NO_METER = Meter()
