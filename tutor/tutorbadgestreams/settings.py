"""What the plugin's containers and the LMS are told, out of Tutor's configuration. Pure: no Tutor here."""

from __future__ import annotations

import os
import typing as t
from urllib.parse import quote, urlsplit

import yaml

from .events import EVENTS

Config = t.Mapping[str, t.Any]

TUTORS_PREFIX = "dev"
"""`EVENT_BUS_TOPIC_PREFIX` in Tutor's own settings, in production too."""
TUTORS_REDIS = "redis://redis:6379/0"
"""Where Tutor's own settings have the bus, whatever its REDIS_HOST says."""

MOUNTED = "/etc/badge-streams"
CATALOG = f"{MOUNTED}/catalog/catalog.yaml"
SECRETS = f"{MOUNTED}/secrets"
API_PORT = 8050


def lms_events(config: Config) -> list[tuple[str, str, str]]:
    """Type, topic and key field of each event that LMS and CMS are to send."""
    chosen = set(config["BADGESTREAMS_EVENTS"])
    unknown = chosen - {event for event, *_ in EVENTS}
    if unknown:
        raise ValueError(f"BADGESTREAMS_EVENTS: rules can use no {', '.join(sorted(unknown))}")
    return [
        (event, topic, key)
        for event, topic, key, service in EVENTS
        if service == "LMS" and (not chosen or event in chosen)
    ]


def source_topics(config: Config) -> list[str]:
    """The full names of the topics that the site reads: the LMS's, and those of the services beside it."""
    prefix = config["BADGESTREAMS_TOPIC_PREFIX"]
    topics = [topic for _, topic, _ in lms_events(config)]
    topics += [topic for _, topic, _, service in EVENTS if service != "LMS"]
    return [f"{prefix}-{topic}" if prefix else topic for topic in dict.fromkeys(topics)]


def worker_settings(config: Config) -> dict[str, str]:
    """The `BADGES_` variables of the site, of its jobs and of the commands that are run in it."""
    found = {
        "BADGES_BUS": config["BADGESTREAMS_BUS"],
        "BADGES_KAFKA": config["BADGESTREAMS_KAFKA"],
        "BADGES_REGISTRY": config["BADGESTREAMS_REGISTRY"],
        "BADGES_TOPIC_PREFIX": config["BADGESTREAMS_TOPIC_PREFIX"],
        "BADGES_SOURCE_TOPICS": ",".join(source_topics(config)),
        "BADGES_REPLICATION": str(config["BADGESTREAMS_REPLICATION"]),
        "BADGES_HTTP": "*:8080",
        "BADGES_HTTP_TOKEN_FILE": f"{SECRETS}/pages-token",
        **_redis(config),
        **_kafka_access(config),
        **_registry_access(config),
        **_api(config),
    }
    if catalog_text(config):
        found["BADGES_CATALOG"] = CATALOG
    more = {f"BADGES_{name.upper()}": _text(value) for name, value in config["BADGESTREAMS_SETTINGS"].items()}
    return {**found, **more}


def _redis(config: Config) -> dict[str, str]:
    if config["BADGESTREAMS_BUS"] != "redis":
        return {}
    return _given(
        BADGES_REDIS=config["BADGESTREAMS_REDIS"],
        BADGES_REDIS_USERNAME=config["BADGESTREAMS_REDIS_USERNAME"],
        BADGES_REDIS_PASSWORD_FILE=config["BADGESTREAMS_REDIS_PASSWORD"] and f"{SECRETS}/redis-password",
        BADGES_REDIS_CA_FILE=config["BADGESTREAMS_REDIS_CA"] and f"{SECRETS}/redis-ca.crt",
        BADGES_REDIS_STREAM_MAX_LEN=str(config["BADGESTREAMS_REDIS_STREAM_MAX_LEN"]),
    )


def _kafka_access(config: Config) -> dict[str, str]:
    protocol = config["BADGESTREAMS_KAFKA_SECURITY_PROTOCOL"]
    sasl = protocol.startswith("SASL_")
    return _given(
        BADGES_KAFKA_SECURITY_PROTOCOL=protocol,
        BADGES_KAFKA_SASL_MECHANISM=sasl and config["BADGESTREAMS_KAFKA_SASL_MECHANISM"],
        BADGES_KAFKA_USERNAME=sasl and config["BADGESTREAMS_KAFKA_USERNAME"],
        BADGES_KAFKA_PASSWORD_FILE=sasl and f"{SECRETS}/kafka-password",
        BADGES_KAFKA_CA_FILE=config["BADGESTREAMS_KAFKA_CA"] and f"{SECRETS}/kafka-ca.crt",
    )


def _registry_access(config: Config) -> dict[str, str]:
    username = config["BADGESTREAMS_REGISTRY_USERNAME"]
    return _given(
        BADGES_REGISTRY_USERNAME=username,
        BADGES_REGISTRY_PASSWORD_FILE=username and f"{SECRETS}/registry-password",
    )


def _api(config: Config) -> dict[str, str]:
    if not config["BADGESTREAMS_API"]:
        return {}
    return {
        "BADGES_API_HTTP": f"*:{API_PORT}",
        "BADGES_API_KEYS_FILE": f"{SECRETS}/lms-keys.json",
        "BADGES_API_ISSUERS": config["JWT_COMMON_ISSUER"],
        "BADGES_API_AUDIENCE": config["JWT_COMMON_AUDIENCE"],
        "BADGES_API_ORIGINS": ",".join(_origins(config)),
        # Whoever reaches the port is in the network of the containers, or of the cluster: Caddy.
        "BADGES_API_PROXIES": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
        "BADGES_API_STORE": "/var/badge-streams/api.sqlite",
    }


def _origins(config: Config) -> list[str]:
    """Whose pages may show what the API answers: the LMS's, and the micro-frontends' where there are any."""
    scheme = "https" if config["ENABLE_HTTPS"] else "http"
    return [f"{scheme}://{config[name]}" for name in ("LMS_HOST", "MFE_HOST") if config.get(name)]


def _given(**settings: t.Any) -> dict[str, str]:
    return {name: value for name, value in settings.items() if value}


def _text(value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def kafka_settings(config: Config) -> dict[str, str]:
    """The variables of Kafka's image, which makes each `KAFKA_A_B` the property `a.b`: one node, alone."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://badgestreams-kafka:9092",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        # One node can replicate nothing; few partitions of Kafka's own topics are enough for a few workers.
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        # A site that was off for four weeks goes on where it stopped; the default is one week.
        "KAFKA_OFFSETS_RETENTION_MINUTES": "40320",
        # The default is 128 MiB, half of the heap. This is 600,000 keys a round, and more take more rounds.
        "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "16777216",
        "KAFKA_HEAP_OPTS": f"-Xms128m -Xmx{config['BADGESTREAMS_KAFKA_HEAP']}",
        # One collector thread; the default, G1, takes a tenth more memory.
        "KAFKA_JVM_PERFORMANCE_OPTS": "-server -XX:+UseSerialGC -XX:MaxDirectMemorySize=64m",
    }


def secrets(config: Config) -> dict[str, str]:
    """What is mounted at `SECRETS`, by the files' names; empty where it is not used."""
    return {
        "pages-token": config["BADGESTREAMS_PAGES_TOKEN"],
        "redis-password": config["BADGESTREAMS_REDIS_PASSWORD"],
        "redis-ca.crt": config["BADGESTREAMS_REDIS_CA"],
        "kafka-password": config["BADGESTREAMS_KAFKA_PASSWORD"],
        "kafka-ca.crt": config["BADGESTREAMS_KAFKA_CA"],
        "registry-password": config["BADGESTREAMS_REGISTRY_PASSWORD"],
        # The plugin credentials' own, for `do badges-import`.
        "credentials-mysql-password": config.get("CREDENTIALS_MYSQL_PASSWORD", ""),
    }


def redis_url(config: Config) -> str:
    """The bus's Redis for `EVENT_BUS_REDIS_CONNECTION_URL`; empty where Tutor's own setting is right."""
    url, username = config["BADGESTREAMS_REDIS"], config["BADGESTREAMS_REDIS_USERNAME"]
    password = config["BADGESTREAMS_REDIS_PASSWORD"]
    if url == TUTORS_REDIS and not username and not password:
        return ""
    parts = urlsplit(url)
    login = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username or password else ""
    return parts._replace(netloc=login + parts.netloc).geturl()


def catalog_text(config: Config) -> str:
    """The catalog: `BADGESTREAMS_CATALOG` as YAML, as text, or the absolute path of a file."""
    given = config["BADGESTREAMS_CATALOG"]
    if not isinstance(given, str):
        return yaml.safe_dump(given, sort_keys=False, allow_unicode=True) if given else ""
    if not given.strip() or "\n" in given.strip():
        return given
    path = os.path.expanduser(given.strip())
    if not os.path.isabs(path):
        raise ValueError(f"BADGESTREAMS_CATALOG: {given} is no absolute path")
    with open(path, encoding="utf-8") as file:
        return file.read()
