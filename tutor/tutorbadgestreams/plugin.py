"""Badge streams for Tutor: what the plugin adds to Tutor, by its hooks."""

from __future__ import annotations

import json
import typing as t
from importlib import resources
from pathlib import Path

import jinja2

from tutor import exceptions, hooks, utils

from . import settings
from .__about__ import PRODUCT_VERSION, __version__
from .jobs import badges_catch_up, badges_import

HERE = Path(str(resources.files("tutorbadgestreams")))

DEFAULTS: dict[str, t.Any] = {
    "VERSION": __version__,
    # The image, and a checkout of badge-streams from which `tutor images build badgestreams` makes it.
    "DOCKER_IMAGE": f"badge-streams:{PRODUCT_VERSION}",
    "SOURCE": "",
    # The catalog: YAML here, or the absolute path of a file. Empty: published with `catalog publish`.
    "CATALOG": "",
    # By the names of variables that the catalog names as {env: CREDLY_...}.
    "ISSUER_KEYS": {},
    # Any other setting of badge-streams, by its name without BADGES_: {issuer_rate: 2}.
    "SETTINGS": {},
    # The bus of Open edX: redis, or kafka (then with a REGISTRY).
    "BUS": "redis",
    "TOPIC_PREFIX": settings.TUTORS_PREFIX,
    # The events that LMS and CMS send, by type; empty: all that rules can use.
    "EVENTS": [],
    "REDIS": "redis://{{ REDIS_HOST }}:{{ REDIS_PORT }}/{{ OPENEDX_CELERY_REDIS_DB }}",
    "REDIS_USERNAME": "{{ REDIS_USERNAME }}",
    "REDIS_PASSWORD": "{{ REDIS_PASSWORD }}",
    "REDIS_CA": "",
    # Ten times the library's default, for all grades of a course may be computed at once: 30 MB a stream.
    "REDIS_STREAM_MAX_LEN": 100_000,
    # Of Tutor's own Redis, whose default evicts streams (decision 0030); empty: left as it is.
    "REDIS_POLICY": "volatile-lru",
    "RUN_KAFKA": True,
    "KAFKA_DOCKER_IMAGE": "{{ DOCKER_REGISTRY }}apache/kafka:4.1.0",
    "KAFKA_HEAP": "256m",
    "KAFKA_MEMORY": "512m",
    "KAFKA_DISK": "5Gi",
    "KAFKA": "badgestreams-kafka:9092",
    "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_USERNAME": "",
    "KAFKA_PASSWORD": "",
    "KAFKA_CA": "",
    "REPLICATION": "{{ 1 if BADGESTREAMS_RUN_KAFKA else 3 }}",
    "REGISTRY": "",
    "REGISTRY_USERNAME": "",
    "REGISTRY_PASSWORD": "",
    # Learners' badges and progress at https://LMS_HOST/badges/.
    "API": False,
    "MEMORY": "512m",
}

hooks.Filters.CONFIG_DEFAULTS.add_items([(f"BADGESTREAMS_{name}", value) for name, value in DEFAULTS.items()])
hooks.Filters.CONFIG_UNIQUE.add_item(("BADGESTREAMS_PAGES_TOKEN", "{{ 32|random_string }}"))

hooks.Filters.ENV_TEMPLATE_ROOTS.add_item(str(HERE / "templates"))
hooks.Filters.ENV_TEMPLATE_TARGETS.add_items(
    [("badgestreams/apps", "plugins"), ("badgestreams/k8s", "plugins")],
)
hooks.Filters.ENV_PATCHES.add_items(
    [(path.name, path.read_text(encoding="utf-8")) for path in sorted((HERE / "patches").iterdir())]
)

hooks.Filters.CLI_DO_INIT_TASKS.add_item(
    ("badgestreams", HERE.joinpath("templates/badgestreams/tasks/init").read_text(encoding="utf-8"))
)
hooks.Filters.CLI_DO_COMMANDS.add_items([badges_catch_up, badges_import])


def _of_context(
    function: t.Callable[[settings.Config], t.Any],
) -> t.Callable[[jinja2.runtime.Context], t.Any]:
    """What a template calls without an argument, for it knows the configuration."""

    @jinja2.pass_context
    def called(context: jinja2.runtime.Context) -> t.Any:
        try:
            return function(context.get_all())
        except (ValueError, OSError) as error:
            raise exceptions.TutorError(str(error)) from error

    return called


def _secrets(config: settings.Config) -> dict[str, str]:
    return {**settings.secrets(config), "lms-keys.json": _lms_keys(config["JWT_RSA_PRIVATE_KEY"])}


def _lms_keys(private: str) -> str:
    """The public part of the key by which the LMS signs its tokens, as Tutor's LMS itself publishes it."""
    key = utils.rsa_import_key(private)
    e, n = utils.long_to_base64(key.e), utils.long_to_base64(key.n)
    return json.dumps({"keys": [{"kid": "openedx", "kty": "RSA", "e": e, "n": n}]})


hooks.Filters.ENV_TEMPLATE_VARIABLES.add_items(
    [
        ("badgestreams_worker_settings", _of_context(settings.worker_settings)),
        ("badgestreams_kafka_settings", _of_context(settings.kafka_settings)),
        ("badgestreams_lms_events", _of_context(settings.lms_events)),
        ("badgestreams_secrets", _of_context(_secrets)),
        ("badgestreams_redis_url", _of_context(settings.redis_url)),
        ("badgestreams_catalog", _of_context(settings.catalog_text)),
        ("BADGESTREAMS_API_PORT", settings.API_PORT),
        ("BADGESTREAMS_TUTORS_PREFIX", settings.TUTORS_PREFIX),
    ]
)


@hooks.Filters.IMAGES_BUILD.add()
def _built(images: list[t.Any], config: settings.Config) -> list[t.Any]:
    """The product's own Dockerfile, where the configuration names a checkout of it."""
    if source := config["BADGESTREAMS_SOURCE"]:
        images.append(("badgestreams", str(source), str(config["BADGESTREAMS_DOCKER_IMAGE"]), ()))
    return images


@hooks.Filters.IMAGES_PULL.add()
def _pulled(images: list[tuple[str, str]], config: settings.Config) -> list[tuple[str, str]]:
    if not config["BADGESTREAMS_SOURCE"]:
        images.append(("badgestreams", str(config["BADGESTREAMS_DOCKER_IMAGE"])))
    if config["BADGESTREAMS_RUN_KAFKA"]:
        images.append(("badgestreams-kafka", str(config["BADGESTREAMS_KAFKA_DOCKER_IMAGE"])))
    return images


@hooks.Filters.IMAGES_PUSH.add()
def _pushed(images: list[tuple[str, str]], config: settings.Config) -> list[tuple[str, str]]:
    images.append(("badgestreams", str(config["BADGESTREAMS_DOCKER_IMAGE"])))
    return images
