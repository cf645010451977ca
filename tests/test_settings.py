"""A wrong setting is one line that names it."""

from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.settings import load_settings, read_secret


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNING_COMMAND", "sign 'one"),
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
        ("REGISTRY", "http://one:8081,http://two:8081"),
        ("REGISTRY", "http://one:8081,two:8081"),
        ("REGISTRY", "http://one:8081 http://two:8081"),
        ("REGISTRY", "http://one:99999"),
        ("REGISTRY", "http://"),
        ("REGISTRY", "http://one:8081?x=1"),
        ("RELAY_ID", "badge-streams"),
        ("RELAY_ID", "badge-streams-bridge"),
        ("BUS", "rabbit"),
        ("REDIS", ""),
        ("REDIS", "redis:6379"),
        ("REDIS", "unix:///run/redis.sock"),
        ("REDIS", "redis://one:6379,two:6379"),
        ("REDIS", "redis://one:99999"),
        ("REDIS", "redis://one:6379/0?ssl_cert_reqs=none"),
        ("REDIS_STREAM_MAX_LEN", "0"),
        ("ISSUER_HOSTS", "https://proxy.example.org"),
        ("ISSUER_HOSTS", "proxy.example.org/v1"),
        # Else learner 42 of `campus1` would be learner 142 of `campus`.
        ("EARNER_PREFIX", "campus1"),
        ("EARNER_PREFIX", "a|b:"),
        ("ADOPTED", "delete"),
        ("CONSOLE_WORKERS", "tracker"),
        ("CONSOLE_WORKERS", "http://tracker:8080"),
        ("CONSOLE_WORKERS", "tracker:8080,relay:99999"),
        ("CONSOLE_WRITES", "perhaps"),
        ("TOPIC_PREFIX", "a b"),
        ("SOURCE_TOPICS", "dev-lifecycle,ünder"),
        ("BADGE_TOPIC", "badges/lifecycle"),
        ("BADGE_TOPIC", "x" * 300),
        ("SOURCE", ""),
        ("SOURCE", "openedx/badges\n"),
        ("INSTANCE_ID", "pod 1"),
        ("STALL_SECONDS", "inf"),
        ("ISSUER_RATE", "inf"),
        ("ISSUER_RATE", "nan"),
        ("API", "http://api:99999"),
        ("API_KEYS_URL", "https://lms:99999/jwks"),
    ],
)
def test_a_value_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BADGES_{name}", value)

    with pytest.raises(ConfigurationError, match=f"^BADGES_{name}: [^\n]+$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REGISTRY", "https://me:hush@registry.example.org"),
        ("REDIS", "redis://:hush@redis:6379/"),
        ("REDIS", "rediss://me:hush@redis:6379/"),
    ],
)
def test_a_password_in_a_url_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(f"BADGES_{name}", url)

    with pytest.raises(ConfigurationError, match=f"BADGES_{name}_PASSWORD_FILE") as refusal:
        load_settings()
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("BADGES_KAFKA_PASSWORDFILE", "did you mean BADGES_KAFKA_PASSWORD_FILE?"),
        ("BADGES_REPLICATON", "did you mean BADGES_REPLICATION?"),
        ("badges_appid", "did you mean BADGES_APP_ID?"),
        ("BADGES_XYZZY", "no such setting"),
    ],
)
def test_a_misspelt_setting_is_named_with_what_may_be_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "hush")

    with pytest.raises(ConfigurationError, match=f"^{name}: no such setting[^\n]*") as refusal:
        load_settings()
    assert str(refusal.value).endswith(said)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["BADGES_SERVICE_HOST", "BADGES_PORT", "BADGES_RELAY_PORT_8080_TCP_ADDR", "badges_kafka"]
)
def test_what_kubernetes_sets_for_a_service_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "kafka:9092")

    load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGISTRY", "http://registry_1:8081/apis/ccompat/v7"),
        ("REGISTRY", "https://[::1]:8081/"),
        ("KAFKA", "a:9092, b:9093"),
        ("KAFKA", "[::1]:9092"),
        ("HTTP", "[::1]:0"),
        # As Tutor writes it.
        ("REDIS", "redis://@redis:6379/"),
        ("REDIS", "rediss://[::1]:6380/3"),
        ("APP_ID", "site_1.badges"),
        ("EARNER_PREFIX", "campus:"),
    ],
)
def test_a_value_that_works_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BADGES_{name}", value)

    assert getattr(load_settings(), name.lower()) == value


def test_a_stream_of_redis_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_BUS", "redis")
    monkeypatch.setenv("BADGES_SOURCE_TOPICS", "site:learning-badges-lifecycle")

    assert load_settings().source_topics == ("site:learning-badges-lifecycle",)


SECRET = "BADGES_ANY_PASSWORD_FILE"


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (None, "No such file or directory"),
        (b"\xff", "not UTF-8"),
        (b"one\ntwo\n", "not one line of at most 65536 bytes"),
        (b"x" * 70_000, "not one line of at most 65536 bytes"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named_by_its_setting(
    tmp_path: Path, held: bytes | None, why: str
) -> None:
    file = tmp_path / "secret"
    if held is not None:
        file.write_bytes(held)

    with pytest.raises(ConfigurationError) as refusal:
        read_secret(file, SECRET)
    assert str(refusal.value) == f"{SECRET}: {file}: {why}"


def test_a_secret_is_the_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" hush, größer \r\n")

    assert read_secret(file, SECRET) == " hush, größer "


def test_a_site_on_redis_needs_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_BUS", "redis")
    monkeypatch.setenv("BADGES_REGISTRY", "")

    assert load_settings().registry == ""


def test_our_own_topic_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_SOURCE_TOPICS", "dev-lifecycle,badge-streams-activities")

    with pytest.raises(ConfigurationError, match="badge-streams-activities: our own topic"):
        topics(load_settings())


def test_where_the_bus_is_redis_kafka_has_no_topics_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_BUS", "redis")
    monkeypatch.setenv("BADGES_REGISTRY", "")
    monkeypatch.setenv("BADGES_SOURCE_TOPICS", "dev-exams,dev-badges,dev-exams")

    names = topics(load_settings())

    assert names.streams == names.read == ("dev-exams", "dev-badges")
    assert all(topic.ours for topic in names.all)
    assert {topic.name for topic in names.bridge} == {
        "badge-streams-shares",
        "badge-streams-cursors-changelog",
    }


def test_where_the_bus_is_kafka_there_is_nothing_to_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    names = topics(load_settings())

    assert (names.streams, names.bridge) == ((), ())
    assert names.read == ("learning-badges-lifecycle",)
