"""The tracker, a worker: from the bus's events to badge events.

`app` is there for `faust -A streams.tracker`.
"""

from streams.faust_app import Build, on_demand


def _build() -> Build:
    from streams.tracker.agents import build

    return build


__getattr__ = on_demand(_build)
