"""What the plugin makes of a site, rendered by the real Tutor: `make test-tutor` runs this file.

It is no `test_*.py`, so that `make test` needs no Tutor. Nothing is started here that needs containers.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import redis
import yaml

from streams.api.keys import parsed
from streams.bus.publication import PUBLICATIONS
from streams.operate.check import check
from streams.sandbox.commands import Commands
from streams.sandbox.jars import jars, java
from streams.sandbox.process import Deadline, tail
from streams.sandbox.redis import Redis
from streams.settings import load_settings
from streams.supervisor.site import wanted
from tests.bus.entries import passed
from tests.tutor import kafka_container
from tests.tutor.tutor_site import CATALOG, EXTERNAL, ROOT, STOCK, VERSIONS, Rendered, installed, words

TOOLS = Path(os.environ["CHART_TOOLS"])
SITES = {"stock": STOCK, "external": EXTERNAL}
MOUNTED = "/etc/badge-streams"
KINDS_WITH_PODS = {"Deployment", "StatefulSet", "Job"}


@pytest.fixture(scope="session", params=[f"{v}-{site}" for v in VERSIONS for site in SITES])
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    major, name = request.param.split("-")
    return installed(major).render(tmp_path_factory.mktemp(request.param), SITES[name])


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return installed("22").render(tmp_path_factory.mktemp("stock"), STOCK)


@pytest.fixture(scope="session")
def external(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return installed("22").render(tmp_path_factory.mktemp("external"), EXTERNAL)


@pytest.fixture
def sites_environment(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given = rendered.environment("badgestreams")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


# The LMS


@pytest.mark.parametrize("service", ["lms", "cms"])
def test_every_event_of_the_lms_that_rules_can_use_is_sent(rendered: Rendered, service: str) -> None:
    config = rendered.settings(service)["EVENT_BUS_PRODUCER_CONFIG"]

    expected = {
        event: {how.topic: {"event_key_field": how.key, "enabled": True}}
        for event, how in PUBLICATIONS.items()
        if how.service == "LMS"
    }
    assert {event: topics for event, topics in config.items() if event in expected} == expected


def test_what_no_rule_can_use_stays_as_the_platform_has_it(rendered: Rendered) -> None:
    config = rendered.settings("lms")["EVENT_BUS_PRODUCER_CONFIG"]

    others = {event: topics for event, topics in config.items() if event not in PUBLICATIONS}
    assert [how["enabled"] for topics in others.values() for how in topics.values()] == [False, False]


def test_a_site_may_choose_the_events_that_are_sent(tmp_path: Path) -> None:
    chosen = "org.openedx.learning.certificate.created.v1"
    site = installed("22").render(tmp_path, {**STOCK, "BADGESTREAMS_EVENTS": [chosen]})

    config = site.settings("lms")["EVENT_BUS_PRODUCER_CONFIG"]

    enabled = {event for event, topics in config.items() for how in topics.values() if how["enabled"]}
    assert enabled == {chosen}
    topics = site.environment("badgestreams")["BADGES_SOURCE_TOPICS"].split(",")
    assert "dev-learning-certificate-lifecycle" in topics
    assert "dev-learning-user-lifecycle" not in topics


def test_the_lms_and_the_site_mean_the_same_redis_and_topics(
    rendered: Rendered, sites_environment: dict[str, str]
) -> None:
    lms, site = rendered.settings("lms"), load_settings()

    assert lms["EVENT_BUS_PRODUCER"] == "edx_event_bus_redis.create_producer"
    assert lms["EVENT_BUS_TOPIC_PREFIX"] == site.topic_prefix
    assert lms["EVENT_BUS_REDIS_STREAM_MAX_LEN"] == site.redis_stream_max_len
    login, _, place = lms["EVENT_BUS_REDIS_CONNECTION_URL"].removeprefix("redis://").rpartition("@")
    assert f"redis://{place}".rstrip("/") in (site.redis, site.redis.removesuffix("/0"))
    assert bool(login) == (site.redis_password_file is not None)
    sent = {
        f"{site.topic_prefix}-{topic}"
        for topics in lms["EVENT_BUS_PRODUCER_CONFIG"].values()
        for topic, how in topics.items()
        if how["enabled"]
    }
    assert sent <= set(site.source_topics)


def test_the_password_of_redis_reaches_the_lms_whatever_it_holds(external: Rendered) -> None:
    from redis.connection import parse_url

    url = parse_url(external.settings("lms")["EVENT_BUS_REDIS_CONNECTION_URL"])

    assert (url["host"], url["port"], url["db"], url["password"]) == (
        "redis.example.org",
        6380,
        0,
        "p@ss/w:rd",
    )
    assert external.secret("redis-password") == "p@ss/w:rd"


def test_tutors_own_redis_address_is_left_alone_where_it_is_right(stock: Rendered) -> None:
    settings = stock.env.joinpath("apps/openedx/settings/lms/production.py").read_text()

    assert settings.count("EVENT_BUS_REDIS_CONNECTION_URL") == 1
    assert settings.count("EVENT_BUS_TOPIC_PREFIX") == 1


def test_redis_evicts_only_what_has_a_time_to_live(stock: Rendered, external: Rendered) -> None:
    policies = [
        re.findall("^maxmemory-policy (.*)$", site.env.joinpath("apps/redis/redis.conf").read_text(), re.M)
        for site in (stock, external)
        if site.env.joinpath("apps/redis/redis.conf").exists()
    ]

    assert policies[0][-1] == "volatile-lru"
    assert policies[1:] in ([], [["allkeys-lru"]])


# The site


def test_the_product_reads_the_environment_that_the_plugin_sets(
    rendered: Rendered, sites_environment: dict[str, str]
) -> None:
    settings = load_settings()

    assert (settings.bus, settings.registry, settings.http) == ("redis", "", "*:8080")
    assert settings.catalog == Path("/etc/badge-streams/catalog/catalog.yaml")
    assert rendered.environment("badgestreams-job", jobs=True).items() <= sites_environment.items()


def test_a_kafka_elsewhere_is_reached_with_its_password(
    external: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in external.environment("badgestreams").items():
        monkeypatch.setenv(name, value)

    settings = load_settings()

    assert settings.kafka == EXTERNAL["BADGESTREAMS_KAFKA"]
    assert (settings.kafka_security_protocol, settings.kafka_sasl_mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert settings.replication == 3
    assert (settings.issuer_rate, settings.register_schemas) == (2, False)
    assert settings.issuer_hosts == ("a:1", "b:2")
    assert external.secret("kafka-password") == "secret: #1"
    assert external.secret("kafka-ca.crt").splitlines() == EXTERNAL["BADGESTREAMS_KAFKA_CA"].splitlines()
    assert not {"badgestreams-kafka", "redis"} & external.compose().keys()


def test_the_catalog_arrives_as_it_was_written_and_has_no_fault(rendered: Rendered) -> None:
    catalog = rendered.env / "plugins/badgestreams/apps/catalog/catalog.yaml"

    assert catalog.read_text().strip() == CATALOG.read_text().strip()
    assert check(catalog.read_bytes()).templates > 0


def test_a_catalog_may_be_part_of_the_configuration(tmp_path: Path) -> None:
    site = installed("22").render(tmp_path, {"BADGESTREAMS_CATALOG": yaml.safe_load(CATALOG.read_text())})

    rendered = site.yaml("plugins/badgestreams/apps/catalog/catalog.yaml")

    assert rendered == yaml.safe_load(CATALOG.read_text())


def test_a_site_without_a_catalog_waits_for_one_to_be_published(tmp_path: Path) -> None:
    site = installed("22").render(tmp_path, {})

    assert "BADGES_CATALOG" not in site.environment("badgestreams")
    assert "check" not in site.jobs("init", "--limit=badgestreams")["badgestreams"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"BADGESTREAMS_CATALOG": "catalog.yaml"}, "catalog.yaml is no absolute path"),
        ({"BADGESTREAMS_CATALOG": "/no/such/catalog.yaml"}, "No such file or directory"),
        ({"BADGESTREAMS_EVENTS": ["org.openedx.learning.no.such.v1"]}, "rules can use no org.openedx"),
    ],
)
def test_tutor_says_what_is_wrong_with_the_configuration(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    tmp_path.joinpath("config.yml").write_text(yaml.safe_dump({"PLUGINS": ["badgestreams"], **wrong}))

    done = installed("22").run(tmp_path, "config", "save")

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_issuers_key_reaches_the_site_alone_and_unharmed(stock: Rendered) -> None:
    assert stock.environment("badgestreams")["CREDLY_API_KEY_DEMO"] == "a$b'c\"d"
    assert "CREDLY_API_KEY_DEMO" not in stock.environment("badgestreams-job", jobs=True)


@pytest.mark.parametrize("jobs", [False, True])
def test_what_compose_mounts_was_rendered_or_is_given_to_its_user(rendered: Rendered, jobs: bool) -> None:
    owned = rendered.env.joinpath("apps/permissions/setowners.sh").read_text()
    volumes = {
        volume
        for name, service in rendered.compose(jobs).items()
        if name.startswith("badgestreams")
        for volume in service["volumes"]
    }
    assert volumes

    for volume in volumes:
        host, _, options = volume.split(":")
        if options == "ro":
            assert rendered.env.joinpath("local", host).is_dir(), volume
        else:
            assert f"setowner 1000 /mounts/{Path(host).name}" in owned
            assert f"{host}:/mounts/{Path(host).name}:z" in rendered.compose()["permissions"]["volumes"]


def test_a_service_depends_on_services_that_are_there(rendered: Rendered) -> None:
    services = rendered.compose()

    needed = [
        needed
        for name, service in (*services.items(), *rendered.compose(jobs=True).items())
        if name.startswith("badgestreams")
        for needed in service.get("depends_on", ())
    ]
    assert set(needed) <= services.keys()


def test_nothing_of_ours_is_open_to_the_world(rendered: Rendered) -> None:
    assert [s for n, s in rendered.compose().items() if n.startswith("badgestreams") and "ports" in s] == []


def test_the_tokens_stay_when_the_configuration_is_saved_again(stock: Rendered) -> None:
    before = stock.secret("pages-token")

    assert stock.tutor.run(stock.root, "config", "save").returncode == 0

    assert stock.secret("pages-token") == before != ""


def test_the_image_is_built_of_a_checkout(tmp_path: Path) -> None:
    site = installed("22").render(tmp_path, {"BADGESTREAMS_SOURCE": str(ROOT)})

    built = site.docker("images", "build", "badgestreams")

    assert built[-1] == str(ROOT)
    assert f"--tag={site.compose()['badgestreams']['image']}" in built


# The API


def test_the_api_is_at_the_lms_and_believes_its_tokens(
    external: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in external.environment("badgestreams").items():
        monkeypatch.setenv(name, value)
    settings, config = load_settings(), yaml.safe_load(external.root.joinpath("config.yml").read_text())
    token = jwt.encode({}, config["JWT_RSA_PRIVATE_KEY"], "RS512", {"kid": "openedx"})

    [(kid, key)] = parsed(external.secret("lms-keys.json").encode())

    assert kid == "openedx"
    assert jwt.decode(token, key, ["RS512"]) == {}
    assert settings.api_issuers == (
        external.settings("lms")["JWT_AUTH"].__setitem__.call_args_list[0].args[1],
    )
    caddy = external.env.joinpath("apps/caddy/Caddyfile").read_text()
    [lms] = [site for site in caddy.split("\n\n") if "@badgestreams" in site]
    assert "@badgestreams path /badges /badges/* /console /console/*\n" in lms
    assert "reverse_proxy badgestreams:8050\n" in lms
    assert "api" in wanted(settings)


@pytest.mark.parametrize(
    ("more", "origins"),
    [
        ({"PLUGINS": ["badgestreams", "mfe"]}, "https://a.example.org,https://apps.a.example.org"),
        ({"ENABLE_HTTPS": False}, "http://a.example.org"),
    ],
)
def test_pages_of_the_lms_and_of_its_frontends_may_show_what_the_api_answers(
    tmp_path: Path, more: dict[str, Any], origins: str
) -> None:
    given = {**STOCK, "BADGESTREAMS_API": True, "ENABLE_HTTPS": True, "LMS_HOST": "a.example.org"}

    site = installed("22").render(tmp_path, given | more)

    assert site.environment("badgestreams")["BADGES_API_ORIGINS"] == origins


def test_the_api_is_not_there_unless_it_is_asked_for(stock: Rendered) -> None:
    assert "badgestreams" not in stock.env.joinpath("apps/caddy/Caddyfile").read_text()
    assert not any(name.startswith("BADGES_API") for name in stock.environment("badgestreams"))


# Kafka


@pytest.fixture(scope="module")
def sites_redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


@pytest.fixture(scope="module")
def site(stock: Rendered, sites_redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """The commands of a stock site, whose Kafka and Redis run here in place of its containers."""
    apps = stock.env / "plugins/badgestreams/apps"
    folder = tmp_path_factory.mktemp("kafka")
    kafka, address = kafka_container.start(stock.environment("badgestreams-kafka"), folder)
    here = {"BADGES_KAFKA": address, "BADGES_REDIS": sites_redis.url, "BADGES_HTTP": "127.0.0.1:0"}
    files = {name: value for name, value in stock.environment("badgestreams").items() if MOUNTED in value}
    found = {name: value.replace(MOUNTED, str(apps)) for name, value in files.items()}
    try:
        commands = Commands(stock.environment("badgestreams") | here | found)
        commands.run("topics", "--create", "--wait", "60", within=90)
        yield commands
    finally:
        kafka.stop()
    assert "ERROR" not in kafka.log.read_text()


@pytest.mark.broker
def test_kafka_as_its_container_is_told_takes_our_topics(site: Commands) -> None:
    assert "missing" not in site.run("topics", "--wait", "60")


@pytest.mark.broker
def test_a_learner_who_passes_on_a_stock_site_has_a_badge_on_its_bus(
    site: Commands, sites_redis: Redis, tmp_path: Path
) -> None:
    # Without the relay, which would ask the real Credly.
    running = site.start("site", "--without", "relay", log=tmp_path / "site.log")
    stream = "dev-learning-badges-lifecycle"
    try:
        with redis.Redis.from_url(sites_redis.url) as client:
            client.execute_command("XADD", stream, "*", *(word for field in passed(42) for word in field))
            deadline = Deadline(60, f"a badge: {tail(running.log)}")
            while client.xlen(stream) < 2:
                deadline.wait()
            [(_, entry)] = client.xrevrange(stream, count=1)
    finally:
        code = running.stop()

    assert entry[b"type"] == b"org.openedx.learning.badge.awarded.v1"
    assert code == 0, running.log.read_text()


@pytest.mark.broker
def test_every_property_of_kafka_is_one_that_it_knows(stock: Rendered) -> None:
    known = subprocess.run(
        [java(), "-cp", f"{jars().kafka}/*", "kafka.server.KafkaConfig"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    told = kafka_container.properties(stock.environment("badgestreams-kafka"))
    assert [name for name in told if f'id="{name}"' not in known and f"_{name}" not in known] == []


# Jobs


def test_init_checks_the_catalog_and_makes_the_topics(rendered: Rendered) -> None:
    done = rendered.jobs("init", "--limit=badgestreams")

    assert list(done) == ["badgestreams"]
    assert done["badgestreams"].splitlines() == [
        "badge-streams check /etc/badge-streams/catalog/catalog.yaml",
        "badge-streams topics --create --wait 60",
    ]


def test_catching_up_has_the_lms_compute_the_grades_of_courses(stock: Rendered) -> None:
    done = stock.jobs("badges-catch-up", "course-v1:A+B+C", "course-v1:A+B+D")

    assert words(done["lms"]) == [
        *("./manage.py", "lms", "compute_grades", "--courses"),
        *("course-v1:A+B+C", "course-v1:A+B+D"),
    ]


def test_catching_up_with_certificates_says_them_again(stock: Rendered) -> None:
    done = words(stock.jobs("badges-catch-up", "--certificates", "course-v1:A+B+C'")["lms"])

    assert done[:4] == ["./manage.py", "lms", "shell", "-c"]
    how = PUBLICATIONS["org.openedx.learning.certificate.created.v1"]
    assert done[4].splitlines()[-1] == f"""send_again(["course-v1:A+B+C'"], '{how.topic}', '{how.key}')"""
    compile(done[4], "job", "exec")


def test_importing_reads_the_database_of_the_credentials_service(external: Rendered) -> None:
    catalog = external.jobs("badges-import", "catalog")["badgestreams"]
    state = external.jobs("badges-import", "state", "--yes")["badgestreams"]

    source = "mysql://credentials@mysql:3306/credentials"
    password = "/etc/badge-streams/secrets/credentials-mysql-password"
    assert words(catalog)[:6] == ["badge-streams", "import", "catalog", source, "--password-file", password]
    assert words(state) == [
        *("badge-streams", "import", "state", source, "--password-file", password),
        *("--yes", "--catalog", "/etc/badge-streams/catalog/catalog.yaml"),
    ]
    assert external.secret("credentials-mysql-password") != ""


# Kubernetes


def test_every_manifest_fits_its_schema_strictly(rendered: Rendered) -> None:
    manifests = rendered.manifests()
    for one in manifests:
        if one["kind"] == "Job":
            # Tutor's mark for "a shell goes here".
            assert one["spec"]["template"]["spec"]["containers"][0].pop("command") == []
    schemas = TOOLS / "schemas" / "{{.ResourceKind}}{{.KindSuffix}}.json"

    checked = subprocess.run(
        [TOOLS / "bin" / "kubeconform", "-strict", "-summary", "-schema-location", schemas, "-"],
        input=yaml.safe_dump_all(manifests),
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"Valid: {len(manifests)}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout, checked.stdout


def test_the_same_environment_is_set_in_kubernetes(rendered: Rendered) -> None:
    keys = {name for one in (STOCK, EXTERNAL) for name in one.get("BADGESTREAMS_ISSUER_KEYS", ())}
    for pod in pods(rendered, "badgestreams", "badgestreams-job"):
        [container] = pod["containers"]
        given = {one["name"]: one["value"] for one in container["env"]}

        composed = rendered.environment("badgestreams")
        assert given == {name: value for name, value in composed.items() if name not in keys}


def test_a_pod_mounts_what_is_made_for_it(rendered: Rendered) -> None:
    made = {one["metadata"]["name"] for one in rendered.manifests() if one["kind"] == "Secret"}
    made |= {one["name"] for one in rendered.yaml("kustomization.yml")["configMapGenerator"]}

    for pod in pods(rendered, "badgestreams", "badgestreams-job"):
        needed = {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v}
        needed |= {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
        needed |= {one["secretRef"]["name"] for c in pod["containers"] for one in c.get("envFrom", ())}
        assert needed <= made


def test_kustomize_finds_every_file_that_it_is_told(rendered: Rendered) -> None:
    kustomization = rendered.yaml("kustomization.yml")

    files = [*kustomization["resources"]]
    files += [f for one in kustomization["configMapGenerator"] for f in one["files"] if "badgestreams" in f]
    assert [file for file in files if not rendered.env.joinpath(file).is_file()] == []


def test_a_service_leads_to_the_pod_and_port_that_its_name_says(rendered: Rendered) -> None:
    by_name = {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in rendered.manifests()
        if one["kind"] in KINDS_WITH_PODS
    }
    for one in rendered.manifests():
        if one["kind"] == "Service":
            template = by_name[one["metadata"]["name"]]
            assert one["spec"]["selector"].items() <= template["metadata"]["labels"].items()
            [container] = template["spec"]["containers"]
            assert {p["port"] for p in one["spec"]["ports"]} == {
                p["containerPort"] for p in container["ports"]
            }


def pods(site: Rendered, *names: str) -> Iterator[dict[str, Any]]:
    for one in site.manifests():
        if one["kind"] in KINDS_WITH_PODS and one["metadata"]["name"] in names:
            yield one["spec"]["template"]["spec"]
