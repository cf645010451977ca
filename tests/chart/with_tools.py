"""The chart under helm, kubeconform, helm-unittest and promtool: `make test-helm` runs this file.

It is no `test_*.py`, so that `make test` needs neither Go nor a Debian package. CHART_TOOLS names the
folder that `tests/chart/tools` has filled.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics
from streams.sandbox.bus import Bus
from streams.settings import load_settings
from tests import pages
from tests.whole.full_site import full_site

from .chart_files import CHART, CI_VALUES, ROOT, dashboard, dashboard_expressions, panels

TOOLS = Path(os.environ["CHART_TOOLS"])
KUBERNETES = "1.34.0"
MINIMAL = CHART / "ci" / "minimal-values.yaml"
WORKERS = {"tracker", "relay"}

each_values_file = pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)


def run(tool: str, *arguments: object, given: str | bytes = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOLS / "bin" / tool, *map(str, arguments)],
        input=given if isinstance(given, str) else given.decode(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def passes(tool: str, *arguments: object, given: str | bytes = "") -> str:
    done = run(tool, *arguments, given=given)
    assert done.returncode == 0, f"{tool} says:\n{done.stdout}{done.stderr}"
    return done.stdout


def render(values: Path, *more: str) -> str:
    arguments = ("--namespace", "badges", "--kube-version", KUBERNETES, "--values", values)
    return passes("helm", "template", "demo", CHART, *arguments, *more)


def objects(rendered: str, kind: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(rendered) if found and found["kind"] == kind]


def check_schemas(manifests: str) -> subprocess.CompletedProcess[str]:
    schemas = TOOLS / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json"
    return run("kubeconform", "-strict", "-summary", "-schema-location", schemas, "-", given=manifests)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as Prometheus gets them."""
    [rule] = objects(render(MINIMAL, "--set", "monitoring.alerts.enabled=true"), "PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return path


@each_values_file
def test_helm_finds_nothing_wrong(values: Path) -> None:
    passes("helm", "lint", "--strict", CHART, "--values", values, "--kube-version", KUBERNETES)


@each_values_file
def test_every_manifest_fits_its_schema_strictly(values: Path) -> None:
    rendered = render(values)

    checked = check_schemas(rendered)

    found = len([one for one in yaml.safe_load_all(rendered) if one])
    assert f"{found} resources" in checked.stdout
    assert f"Valid: {found}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout, checked.stdout


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("Deployment", "terminationGracePeriodSeconds:", "terminationGracePeriod:"),
        ("Deployment", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: maybe"),
        ("PodMonitor", "podMetricsEndpoints:", "endpoints:"),
        ("PrometheusRule", "summary: A published", "- summary: A published"),
        ("ScaledObject", "maxReplicaCount:", "maxReplicas:"),
        ("TriggerAuthentication", "secretTargetRef:", "secretRef:"),
    ],
)
def test_a_field_that_kubernetes_does_not_know_is_found(kind: str, before: str, after: str) -> None:
    everything = ("monitoring.podMonitor.enabled=true", "monitoring.alerts.enabled=true")
    rendered = render(CHART / "ci" / "autoscaled-values.yaml", *(f"--set={one}" for one in everything))
    [manifest, *_] = [part for part in rendered.split("---\n") if f"kind: {kind}\n" in part]
    assert before in manifest

    checked = check_schemas(manifest.replace(before, after))

    assert checked.returncode != 0


def test_the_charts_unit_tests_pass() -> None:
    passes("helm-unittest", "--strict", CHART)


@each_values_file
def test_the_product_reads_the_environment_that_the_chart_sets(
    values: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for deployment in objects(render(values), "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        for variable in container["env"]:
            monkeypatch.setenv(variable["name"], variable.get("value", "from a secret"))

        settings = load_settings()

        given = yaml.safe_load(values.read_text())
        assert settings.kafka == given["kafka"]["bootstrap"]
        assert settings.registry == given.get("registry", {}).get("url", "")
        assert settings.bus == ("redis" if "redis" in given else "kafka")
        assert settings.kafka_username == given["kafka"].get("username", "")
        assert settings.source_topics == tuple(given.get("settings", {}).get("sourceTopics", ()))
        assert settings.partitions == 12
        assert settings.http == "*:8080"
        assert container["args"][0] in WORKERS | (
            {"bridge", "api"} & given.keys() | ({"bridge"} if "redis" in given else set())
        )


@each_values_file
def test_nothing_but_the_relay_knows_of_the_issuers_keys(values: Path) -> None:
    everything = [one for one in yaml.safe_load_all(render(values)) if one]

    knowing = [
        one["metadata"]["name"] for one in everything if "secretName: issuer-keys" in yaml.safe_dump(one)
    ]

    with_relay = yaml.safe_load(values.read_text())["relay"].get("enabled", True)
    assert knowing == ["demo-badge-streams-relay"] * with_relay


@each_values_file
def test_every_secret_is_an_existing_one(values: Path) -> None:
    assert objects(render(values), "Secret") == []


def test_a_catalog_arrives_in_the_pod_as_it_was_written(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("  # indented, {{ braces }}, a tab\t, no end of line\n\nversion: 1\ntemplates: []")

    made = objects(render(MINIMAL, "--set-file", f"catalog.content={catalog}"), "ConfigMap")

    assert [one["data"] for one in made] == [{"catalog.yaml": catalog.read_text()}] * 2


def test_the_dashboard_arrives_at_grafana_as_it_was_written() -> None:
    [made] = objects(render(MINIMAL, "--set", "monitoring.dashboard.enabled=true"), "ConfigMap")

    assert json.loads(made["data"]["badge-streams.json"]) == dashboard()


@each_values_file
def test_each_mounted_file_that_a_setting_names_is_there(values: Path) -> None:
    for deployment in objects(render(values), "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        named = {
            v["value"] for v in container["env"] if str(v.get("value")).startswith("/etc/badge-streams/")
        }

        assert named <= mounted_files(pod, container)


def mounted_files(pod: dict[str, Any], container: dict[str, Any]) -> set[str]:
    """The paths of the files that the pod's projected secrets and its catalog bring."""
    folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    names = {
        volume["name"]: [
            item["path"]
            for source in volume.get("projected", {}).get("sources", ())
            for item in source["secret"]["items"]
        ]
        for volume in pod["volumes"]
    }
    names["catalog"] = ["catalog.yaml"] if "catalog" in folders else []
    return {f"{folders[volume]}/{file}" for volume, files in names.items() for file in files}


def test_prometheus_accepts_the_alerts(rules: Path) -> None:
    passes("promtool", "check", "rules", rules)


def test_each_alert_fires_when_it_should_and_is_silent_when_it_should(rules: Path) -> None:
    cases = shutil.copy(Path(__file__).parent / "alerts.yaml", rules.parent)

    passes("promtool", "test", "rules", cases)


def test_prometheus_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [
        {"record": f"dashboard:expression:{number}", "expr": as_grafana_sends(expression)}
        for number, expression in enumerate(dashboard_expressions())
    ]
    rules = tmp_path / "dashboard.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))

    said = passes("promtool", "check", "rules", rules)

    assert f"{len(recorded)} rules found" in said


@pytest.mark.parametrize("title", ["Dead letters, 24 h", "Dead letters"])
def test_the_dashboard_counts_letters_from_before_the_first_scrape(title: str, tmp_path: Path) -> None:
    [panel] = [panel for panel in panels() if panel["title"] == title]
    letters = 'badges_dead_letters_total{namespace="b", release="r", agent="track", reason="no_id"}'
    by = "" if "24 h" in title else '{agent="track", reason="no_id"}'

    assert_shown(panel, [(letters, "_x3 172x9")], {by: 172}, tmp_path)


def test_the_dashboard_names_templates_and_shows_those_that_no_catalog_names(tmp_path: Path) -> None:
    [panel] = [panel for panel in panels() if panel["title"] == "Badges held"]
    site = 'namespace="b", release="r"'
    info = [f'badges_template_info{{{site}, pod="{pod}", template="1", name="Kafka"}}' for pod in "ab"]
    held = [f'badges_held{{{site}, template="{template}"}}' for template in "12"]

    assert_shown(
        panel,
        [(series, "1x9") for series in info] + [(series, "7x9") for series in held],
        {'{template="1", name="Kafka"}': 7, '{template="2"}': 7},
        tmp_path,
    )


def assert_shown(
    panel: dict[str, Any], series: list[tuple[str, str]], expected: dict[str, int], folder: Path
) -> None:
    """What a panel shows of these series after four minutes."""
    [target] = panel["targets"]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": [
            {
                "expr": as_grafana_sends(target["expr"]),
                "eval_time": "4m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
            }
        ],
    }
    path = folder / "panel.yaml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    passes("promtool", "test", "rules", path)


def as_grafana_sends(expression: str) -> str:
    sent = expression.replace("$__rate_interval", "2m")
    sent = re.sub(r"\$(namespace|release)\b", ".*", sent)
    assert "$" not in sent
    return sent


def test_every_declared_metric_follows_prometheus_rules() -> None:
    declared = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    for metric in declared:
        if metric._labelnames:
            metric.labels(*metric._labelnames)

    exposition = generate_latest(metrics.REGISTRY)

    assert exposition.count(b"# TYPE badges_") >= len(declared)
    assert passes("promtool", "check", "metrics", given=exposition) == ""


async def test_what_workers_serve_follows_prometheus_rules(sandbox: Bus, tmp_path: Path) -> None:
    async with full_site(sandbox, tmp_path) as site:
        served = {
            name: pages.read(worker.log.read_text(), "metrics") for name, worker in site.workers.items()
        }

    assert served.keys() == WORKERS
    assert b"badges_decisions_total{" in served["tracker"]
    assert b"badges_issuer_calls_total{" in served["relay"]
    for page in served.values():
        assert passes("promtool", "check", "metrics", given=page) == ""


def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    passes("hadolint", ROOT / "Dockerfile")
