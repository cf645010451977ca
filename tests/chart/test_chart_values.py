"""The chart's values are the product's settings, under the same names and with the same defaults."""

import re
import tomllib
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from streams import settings
from streams.kafka.client import TRANSACTION_SECONDS
from streams.runtime.consumer import REBALANCE_MS
from streams.settings import Settings

from .chart_files import CHART, CI_VALUES, ROOT, templates, values, values_schema

# Values of their own, outside `settings`, and what the chart itself decides.
CONNECTIONS = {name for name in Settings.model_fields if name.startswith(("kafka", "registry", "redis"))}
# Of the one workload that is asked, not of every worker.
API = {name for name in Settings.model_fields if name.startswith(("api", "console"))}
DECIDED_BY_THE_CHART = {"bus", "catalog", "http", "http_token_file", "issuer_key_dir"}
# Pods of a Deployment have no lasting names: decision 0001.
LEFT_OUT = {"instance_id", "start_seconds"}


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def defaults() -> dict[str, Any]:
    return {name: field.default for name, field in Settings.model_fields.items()}


def schema_of(path: str) -> dict[str, Any]:
    schema = values_schema()
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


def test_every_setting_has_its_place_in_the_chart() -> None:
    in_values = {snake(name) for name in values()["settings"]}

    assert in_values | CONNECTIONS | API | DECIDED_BY_THE_CHART | LEFT_OUT == set(Settings.model_fields)


def test_the_values_defaults_are_the_settings_defaults() -> None:
    in_values = {snake(name): value for name, value in values()["settings"].items()}
    in_values |= {name: tuple(value) for name, value in in_values.items() if isinstance(value, list)}

    differing = {name for name, value in in_values.items() if value != defaults()[name]}

    assert differing == {"log_format"}
    assert in_values["log_format"] == "json"


def test_the_defaults_of_the_connections_are_the_settings_defaults() -> None:
    kafka, registry, redis = values()["kafka"], values()["registry"], values()["redis"]

    assert kafka["securityProtocol"] == defaults()["kafka_security_protocol"]
    assert kafka["saslMechanism"] == defaults()["kafka_sasl_mechanism"]
    assert kafka["username"] == defaults()["kafka_username"]
    assert registry["username"] == defaults()["registry_username"]
    assert redis["username"] == defaults()["redis_username"]
    assert redis["streamMaxLen"] == defaults()["redis_stream_max_len"]


def test_the_defaults_of_the_api_are_the_settings_defaults() -> None:
    in_values = {f"api_{snake(name)}": value for name, value in values()["api"].items()}

    common = {name: tuple(v) if isinstance(v, list) else v for name, v in in_values.items() if name in API}
    assert common == {name: defaults()[name] for name in common}
    console = values()["api"]["console"]
    assert (console["writes"], tuple(console["workers"])) == (
        defaults()["console_writes"],
        defaults()["console_workers"],
    )
    assert {"api_issuers", "api_audience", "api_origins", "api_proxies", "api_learner_rate"} <= set(common)


def test_the_secret_of_the_issuers_keys_is_where_keys_may_be() -> None:
    assert f"mountPath: {defaults()['issuer_key_dir']}\n" in templates()


def test_the_templates_set_no_variable_that_the_product_does_not_read() -> None:
    set_by_templates = set(re.findall(r"\bBADGES_([A-Z_]+[A-Z])\b", templates()))

    assert {name.lower() for name in set_by_templates} <= set(Settings.model_fields)


def test_the_schema_knows_every_value_and_no_other() -> None:
    def unknown(value: object, schema: dict[str, Any], at: str) -> list[str]:
        if "$ref" in schema:
            schema = values_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        if not isinstance(value, dict) or not schema.get("properties"):
            return []
        assert schema["additionalProperties"] is False, f"{at} takes anything"
        missing = [f"{at}.{name}" for name in value if name not in schema["properties"]]
        never_shown = [f"{at}.{name}" for name in schema["properties"] if name not in value]
        inner = (
            unknown(part, schema["properties"][name], f"{at}.{name}")
            for name, part in value.items()
            if name in schema["properties"]
        )
        return missing + never_shown + [line for lines in inner for line in lines]

    assert unknown(values(), values_schema(), "") == [
        ".global",
        ".tracker.resources.limits",
        ".relay.resources.limits",
        ".bridge.resources.limits",
        ".api.resources.limits",
    ]


@pytest.mark.parametrize(
    ("path", "choices"),
    [
        ("kafka.securityProtocol", settings.SecurityProtocol),
        ("kafka.saslMechanism", settings.SaslMechanism),
        ("settings.logFormat", Settings.model_fields["log_format"].annotation),
    ],
)
def test_the_schema_offers_the_choices_of_the_settings(path: str, choices: Any) -> None:
    assert tuple(schema_of(path)["enum"]) == get_args(choices)


@pytest.mark.parametrize("name", ["partitions", "replication", "sourceEpoch", "issuerInFlight"])
def test_the_schema_bounds_a_number_as_the_settings_do(name: str) -> None:
    bounds = {
        keyword: getattr(constraint, attribute)
        for constraint in Settings.model_fields[snake(name)].metadata
        for attribute, keyword in (("ge", "minimum"), ("le", "maximum"))
        if hasattr(constraint, attribute)
    }

    schema = schema_of(f"settings.{name}")

    assert {keyword: schema[keyword] for keyword in ("minimum", "maximum") if keyword in schema} == bounds


def test_the_defaults_alone_are_refused_for_what_only_an_operator_knows() -> None:
    faults = jsonschema.Draft7Validator(values_schema()).iter_errors(values())

    assert {".".join(map(str, fault.path)) for fault in faults} == {"kafka.bootstrap", "registry.url"}


def test_a_site_on_redis_needs_no_registry() -> None:
    def merged(default: Any, named: Any) -> Any:
        if not isinstance(named, dict):
            return named
        return default | {name: merged(default.get(name, {}), value) for name, value in named.items()}

    site = merged(values(), yaml.safe_load((CHART / "ci" / "redis-values.yaml").read_text()))

    assert list(jsonschema.Draft7Validator(values_schema()).iter_errors(site)) == []


def test_there_are_values_files_to_try_the_chart_with() -> None:
    assert {path.name.removesuffix("-values.yaml") for path in CI_VALUES} == {
        "api",
        "autoscaled",
        "cluster",
        "minimal",
        "redis",
        "secured",
        "tracker-alone",
    }


def test_a_worker_may_end_its_longest_unit_before_it_is_killed() -> None:
    [grace] = re.findall(r"terminationGracePeriodSeconds: (\d+)", templates())

    assert int(grace) > TRANSACTION_SECONDS + REBALANCE_MS / 1000


def test_a_worker_may_wait_for_the_brokers_before_it_is_restarted() -> None:
    probe = re.search(
        r"startupProbe:.*?periodSeconds: (\d+)\s+failureThreshold: (\d+)", templates(), re.DOTALL
    )
    assert probe is not None

    assert int(probe.group(1)) * int(probe.group(2)) > Settings.model_fields["start_seconds"].default


def test_the_chart_runs_the_image_of_the_version_that_it_belongs_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == project["version"]
