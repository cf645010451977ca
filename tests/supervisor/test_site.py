"""What a site runs by its settings, and how its log reads."""

import orjson
import pytest

from streams.settings import Settings
from streams.supervisor.site import named, of_its_own, wanted


@pytest.mark.parametrize(
    ("settings", "workers"),
    [
        ({}, ["tracker", "relay"]),
        ({"bus": "redis"}, ["bridge", "tracker", "relay"]),
        ({"api_keys_file": "/keys.json"}, ["tracker", "relay", "api"]),
        ({"api_keys_url": "https://lms.example.org/keys"}, ["tracker", "relay", "api"]),
    ],
)
def test_a_site_runs_the_workers_that_its_settings_ask_for(
    settings: dict[str, str], workers: list[str]
) -> None:
    assert wanted(Settings.model_validate(settings)) == workers


@pytest.mark.parametrize(
    ("worker", "settings", "asked"),
    [
        ("api", {}, "127.0.0.1:8080"),
        ("api", {"http": "*:9000"}, "127.0.0.1:9000"),
        ("api", {"http": "[::1]:9000"}, "[::1]:9000"),
        ("api", {"http": "127.0.0.1:0"}, None),
        ("api", {"console_workers": "elsewhere:8080"}, None),
        ("relay", {}, None),
    ],
)
def test_the_console_asks_for_the_sites_own_pages(
    worker: str, settings: dict[str, str], asked: str | None
) -> None:
    own = of_its_own(worker, Settings.model_validate(settings))

    assert own == ({"BADGES_CONSOLE_WORKERS": asked} if asked else {})


def test_a_line_of_a_log_has_its_workers_name() -> None:
    assert named("relay", b"2026 INFO a: b", "console") == b"relay: 2026 INFO a: b\n"
    assert orjson.loads(named("relay", b'{"level":"info"}', "json")) == {"worker": "relay", "level": "info"}
    assert orjson.loads(named("relay", b"BADGES_X: no \xff", "json")) == {
        "worker": "relay",
        "message": "BADGES_X: no \N{REPLACEMENT CHARACTER}",
    }
