"""What the workers' pages come to together."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

ABSENT: dict[str, Any] = {"ok": False, "why": "it does not answer"}
"""The verdict on a worker that does not say one."""

NOT_READY = "# TYPE badges_ready gauge\nbadges_ready 0\n"
"""The metrics of a worker that does not answer: without a series no alert would find that it is gone."""


def combined(verdicts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The workers' verdicts as one: good if all are, with the reasons of those that are not."""
    wrong = {name: verdict["why"] for name, verdict in verdicts.items() if not verdict["ok"]}
    why = "; ".join(f"{name}: {why}" for name, why in wrong.items()) or f"all of {', '.join(verdicts)}"
    return {"ok": not wrong, "why": why}


class _Families:
    """What a registry asks a collector for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def merged(pages: Mapping[str, str], own: Iterable[Metric]) -> bytes:
    """The workers' `/metrics` as one page, each sample with its `worker`, and the supervisor's own.

    A family has one place in it, as Prometheus demands.
    """
    families: dict[str, Metric] = {}
    for name, page in pages.items():
        for family in text_string_to_metric_families(page):
            kept = families.setdefault(family.name, family)
            named = [sample._replace(labels={"worker": name} | sample.labels) for sample in family.samples]
            kept.samples = named if kept is family else kept.samples + named
    for family in own:
        families[family.name] = family
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families.values()))
    return generate_latest(registry)
