"""The settings of an Open edX service, as far as its event bus needs them."""


def configure(bootstrap: str, registry: str, prefix: str, *, service: str) -> None:
    """Configure Django; only then can the event bus be imported."""
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "openedx_events", "edx_event_bus_kafka"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        USE_TZ=True,
        SERVICE_VARIANT=service,
        EVENTS_SERVICE_NAME=service,
        EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS=bootstrap,
        EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL=registry,
        EVENT_BUS_TOPIC_PREFIX=prefix,
        EVENT_BUS_PRODUCER="edx_event_bus_kafka.create_producer",
        EVENT_BUS_CONSUMER="edx_event_bus_kafka.KafkaEventConsumer",
    )
    django.setup()
