"""The chart's files, as the tests here read them."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "badge-streams"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return loaded


def values_schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return loaded


def templates() -> str:
    """All templates in one text."""
    return "\n".join(path.read_text() for path in sorted((CHART / "templates").iterdir()))


def alerts() -> list[dict[str, Any]]:
    """The alerts about the product's own metrics."""
    rules: list[dict[str, Any]] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["rules"]
    return rules


def alert_names() -> set[str]:
    """The names of all alerts, those about the workers' pods among them."""
    return {rule["alert"] for rule in alerts()} | set(re.findall(r'"alert" "(\w+)"', templates()))


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
    return loaded


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels that show something; its rows left out."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]
