"""Alerts and dashboard speak of declared metrics and their labels, and of nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics
from streams.kafka.topics import DAY_MS, topics
from streams.settings import Settings

from .chart_files import ROOT, alert_names, alerts, dashboard, dashboard_expressions, panels

# What the PodMonitor adds to each sample, and what a histogram has.
OUTER_LABELS = {"namespace", "release", "worker", "le"}
EXPRESSIONS = [rule["expr"] for rule in alerts()] + dashboard_expressions()


def declared() -> dict[str, set[str]]:
    """The label names of each sample's name."""
    samples: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            for family in metric.describe():
                labels = set(metric._labelnames)
                suffixes = {
                    "counter": ["_total"],
                    "info": ["_info"],
                    "histogram": ["_bucket", "_sum", "_count"],
                }
                for suffix in suffixes.get(family.type, [""]):
                    samples[family.name + suffix] = labels
    return samples


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bbadges_\w+", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_uses_declared_metrics(expression: str) -> None:
    assert metrics_in(expression)
    assert metrics_in(expression) <= declared().keys()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_groups_by_labels_that_its_metrics_have(expression: str) -> None:
    # Each group, with the first metric that it is of.
    for names, metric in re.findall(r"by \(([^)]*)\).*?\b(badges_\w+)", expression, re.DOTALL):
        assert set(re.split(r",\s*", names)) <= declared()[metric] | OUTER_LABELS


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_names_labels_that_it_groups_by(rule: dict[str, Any]) -> None:
    [grouped, *_] = re.findall(r"by \(([^)]*)\)", rule["expr"])
    kept = set(grouped.split(", "))
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))

    assert named <= kept


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_it_is_about(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description"}


def test_each_alert_has_a_name_of_its_own() -> None:
    assert len(alert_names()) == len(alerts()) + 2


def test_the_dead_letters_alert_knows_how_long_they_are_kept() -> None:
    kept = {topics(Settings()).dead_letters.retention_ms, topics(Settings()).relay_dead_letters.retention_ms}
    [rule] = [rule for rule in alerts() if rule["alert"] == "BadgeDeadLetters"]

    assert kept == {28 * DAY_MS}
    assert "four weeks" in rule["annotations"]["description"]


@pytest.mark.parametrize("alert", sorted(alert_names()))
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(alert: str) -> None:
    cases = yaml.safe_load((Path(__file__).parent / "alerts.yaml").read_text())["tests"]

    expected = [
        bool(check.get("exp_alerts"))
        for case in cases
        for check in case.get("alert_rule_test", ())
        if check["alertname"] == alert
    ]

    assert set(expected) == {True, False}


def test_the_dashboard_shows_every_declared_metric() -> None:
    shown = {name for expression in dashboard_expressions() for name in metrics_in(expression)}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in declared()}

    assert families - {name.removesuffix("_bucket") for name in shown} == set()


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_its_expression_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        kept = set(re.split(r",\s*", ", ".join(re.findall(r"(?:by|group_left) \(([^)]*)\)", target["expr"]))))

        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_the_chosen_source_about_the_chosen_installations(panel: dict[str, Any]) -> None:
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        selectors = re.findall(r"badges_\w+(\{[^}]*\})?", target["expr"])

        assert set(selectors) == {'{namespace=~"$namespace", release=~"$release"}'}


def test_the_dashboards_panels_have_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in dashboard()["panels"]]

    assert len(ids) == len(set(ids))


def test_each_alert_has_its_heading_in_the_docs() -> None:
    page = ROOT / "docs" / "operate.md"
    headings = {line.lstrip("# ").strip() for line in page.read_text().splitlines() if line.startswith("#")}

    assert alert_names() - headings == set()
