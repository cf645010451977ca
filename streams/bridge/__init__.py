"""The bridge, a worker: between a bus on Redis and Kafka, both ways.

`app` is there for `faust -A streams.bridge`.
"""

from streams.faust_app import Build, on_demand


def _build() -> Build:
    from streams.bridge.agents import build

    return build


__getattr__ = on_demand(_build)
