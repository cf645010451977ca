"""A wrong setting is one line that names it."""

import pytest

from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA", ""),
        ("KAFKA", "kafka:port"),
        ("KAFKA", "kafka:9092,:9092"),
        ("REGISTRY", ""),
        ("REGISTRY", "registry:8081"),
        ("APP_ID", ""),
        ("RELAY_ID", "a b"),
        ("HTTP", "8080"),
        ("HTTP", ":8080"),
        ("HTTP", "0.0.0.0:99999"),
        ("SOURCE_EPOCH", str(2**40)),
        ("ISSUER_HOSTS", "https://proxy.example.org"),
        ("ISSUER_HOSTS", "proxy.example.org/v1"),
    ],
)
def test_a_value_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BADGES_{name}", value)

    with pytest.raises(ConfigurationError, match=f"^BADGES_{name}: [^\n]+$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("KAFKA", "a:9092, b:9093"), ("KAFKA", "[::1]:9092"), ("HTTP", "[::1]:0"), ("APP_ID", "site_1.badges")],
)
def test_a_value_that_works_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BADGES_{name}", value)

    assert getattr(load_settings(), name.lower()) == value


def test_our_own_topic_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_SOURCE_TOPICS", "dev-lifecycle,badge-streams-activities")

    with pytest.raises(ConfigurationError, match="badge-streams-activities: our own topic"):
        topics(load_settings())
