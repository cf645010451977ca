"""The settings of an Open edX service, as far as its event bus needs them."""

from collections.abc import Sequence

ADDRESS = (
    "`kafka` with bootstrap servers and the registry's URL, or `redis` with its URL; then the topic prefix"
)


def configure(address: Sequence[str], *, service: str) -> None:
    """Configure Django by an `ADDRESS`; only then can the event bus be imported."""
    import django
    from django.conf import settings

    bus, *where, prefix = address
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "openedx_events", f"edx_event_bus_{bus}"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        USE_TZ=True,
        SERVICE_VARIANT=service,
        EVENTS_SERVICE_NAME=service,
        EVENT_BUS_TOPIC_PREFIX=prefix,
        **(_kafka(*where) if bus == "kafka" else _redis(*where)),
    )
    django.setup()


def _kafka(bootstrap: str, registry: str) -> dict[str, str]:
    return {
        "EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL": registry,
        "EVENT_BUS_PRODUCER": "edx_event_bus_kafka.create_producer",
        "EVENT_BUS_CONSUMER": "edx_event_bus_kafka.KafkaEventConsumer",
    }


def _redis(url: str) -> dict[str, str]:
    return {
        # More than a test has: all of them are looked at in the end.
        "EVENT_BUS_REDIS_STREAM_MAX_LEN": "100000",
        "EVENT_BUS_REDIS_CONNECTION_URL": url,
        "EVENT_BUS_PRODUCER": "edx_event_bus_redis.create_producer",
        "EVENT_BUS_CONSUMER": "edx_event_bus_redis.RedisEventConsumer",
    }
