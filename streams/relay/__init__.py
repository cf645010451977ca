"""The relay, a worker: from badge events to badges at their issuer (decision 0018).

`app` is there for `faust -A streams.relay`.
"""

from streams.faust_app import Build, on_demand


def _build() -> Build:
    from streams.relay.agents import build

    return build


__getattr__ = on_demand(_build)
