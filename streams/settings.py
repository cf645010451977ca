"""Every setting, declared once. Read from the environment when asked, never at import."""

import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from streams.errors import ConfigurationError
from streams.logs import blanked
from streams.setting_types import (
    TOPIC_PART,
    Address,
    Brokers,
    Command,
    File,
    Hosts,
    InstanceId,
    KeysUrl,
    Names,
    Networks,
    Origins,
    Pages,
    RedisUrl,
    RegistryUrl,
    Source,
    Url,
)

PREFIX = "BADGES_"
BRIDGE = "-bridge"
LIFECYCLE_TOPIC = "learning-badges-lifecycle"

SECRET_BYTES = 64 * 1024
"""Of a password or a token in a file: the longest tokens have a few thousand."""
KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)$")
"""What it sets in each pod for a service whose name begins with `badges`."""

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class Settings(BaseModel):
    """One frozen value; the environment variable of each field is `BADGES_` and its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    bus: Literal["kafka", "redis"] = Field(
        "kafka", description="Where the bus of Open edX is; with `redis` a bridge joins its streams to Kafka."
    )
    kafka: Brokers = Field("localhost:9092", description="Bootstrap servers of Kafka, comma-separated.")
    registry: RegistryUrl = Field(
        "http://localhost:8081",
        description="URL of the Confluent-compatible schema registry; empty: the site has none, and our "
        "badge events are written and read by the built-in schemas.",
    )
    app_id: str = Field(
        "badge-streams", pattern=TOPIC_PART, description="Consumer group and topic prefix of the tracker."
    )
    relay_id: str = Field(
        "badge-relay", pattern=TOPIC_PART, description="Consumer group and topic prefix of the relay."
    )
    topic_prefix: str = Field(
        "", description="The bus's topic prefix; if empty, topics have neither prefix nor dash."
    )
    source_topics: Names = Field(
        (),
        description="Full names of the Open edX topics, comma-separated; default: the badge topic's default.",
    )
    badge_topic: str = Field(
        "", description="Where badge events go; default `{prefix}-learning-badges-lifecycle`."
    )
    catalog: File = Field(None, description="The catalog file; in force while the catalog topic is empty.")
    partitions: int = Field(12, ge=1, le=10_000, description="Partitions of our own topics.")
    replication: int = Field(3, ge=1, le=32, description="Replication factor of our own topics.")
    source: Source = Field("openedx/badge-streams/tracker", description="`ce_source` of our badge events.")
    source_epoch: int = Field(
        0, ge=0, le=2**31, description="Part of an origin; raise it after a source topic was recreated."
    )
    forgotten_days: int = Field(
        90,
        ge=1,
        le=3_650,
        description="Days for which a learner stays known as forgotten; more than a topic keeps a record.",
    )
    http: Address = Field(
        "",
        description="`host:port` of metrics and health; tracker `127.0.0.1:8080`, relay `127.0.0.1:8090`, "
        "bridge `127.0.0.1:8070`, api `127.0.0.1:8060`, a whole site `127.0.0.1:8080`; port 0: any; host "
        "`*`: every address, IPv4 and IPv6; `fd:N`: a listening socket that was inherited under that number.",
    )
    http_token_file: File = Field(
        None,
        description="File of the token that `/health` in full and `/metrics` are asked with "
        "(`Authorization: Bearer …`); without, `/metrics` is open, `/health` says only whether.",
    )
    instance_id: InstanceId = Field(
        "", description="Name of this worker for static membership; empty: dynamic."
    )
    start_seconds: float = Field(
        60,
        gt=0,
        le=3_600,
        description="How long a worker tries to reach Kafka at its start; a command has `--wait`.",
    )
    stall_seconds: float = Field(
        120, gt=0, allow_inf_nan=False, description="Lag without a commit for longer than this: not live."
    )
    schema_wait_seconds: float = Field(
        30,
        ge=0,
        le=600,
        description="How long a schema id that the registry does not know is asked for again before its "
        "record is set aside.",
    )
    register_schemas: bool = Field(True, description="Register the badge events' schemas at the start.")
    issuer_in_flight: int = Field(
        2,
        ge=1,
        description="Calls in flight at its issuer for each organization, of all relays together; each "
        "relay may have one.",
    )
    earner_prefix: str = Field(
        "",
        max_length=64,
        pattern=r"^(|[A-Za-z0-9][A-Za-z0-9._:-]*[._:-])$",
        description="Begins the earner ids of this site at the issuers, such as `campus:`; ends with one of "
        "`.`, `_`, `:`, `-`. Empty: the bare LMS user id, which other sites there may use, too.",
    )
    adopted: Literal["keep", "manage"] = Field(
        "keep",
        description="Badges that the relay found at an issuer and did not issue: `keep` them always, or "
        "`manage` (revoke and delete) them as its own.",
    )
    issuer_rate: float = Field(
        5,
        gt=0,
        allow_inf_nan=False,
        description="Calls a second at its issuer for each organization, of relays and commands together; "
        "Accredible's own limit holds as well.",
    )
    issuer_command_share: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="The part of it that `reconcile` and `templates pull` have; the relays have the rest.",
    )
    issuer_lag_seconds: float = Field(
        30,
        ge=0,
        le=3_600,
        description="By how much an issuer's lists may be late: for so long no look-up is believed where "
        "a badge could be issued twice, or become a dead letter for no reason.",
    )
    issuer_feed_seconds: float = Field(
        30,
        ge=0,
        le=3_600,
        description="How often an issuer is asked what has happened there, whoever did it (Credly's events); "
        "0: never.",
    )
    issuer_give_up_hours: float = Field(
        24,
        gt=0,
        le=8_760,
        description="How long a badge may fail at its issuer while others of its organization succeed, until "
        "it becomes a dead letter.",
    )
    issuer_key_dir: Path = Field(
        Path("/etc/badge-streams/issuer-keys"),
        description="The directory that a catalog's `{file: …}` must be in, whatever links lead there.",
    )
    issuer_key_env_prefix: str = Field(
        "",
        description="How the variable of a catalog's `{env: …}` must begin; default: the issuer's name in "
        "capitals and `_`, like `CREDLY_`.",
    )
    issuer_hosts: Hosts = Field(
        (),
        description="Hosts that a catalog's `url` may name, as `host` or `host:port`, comma-separated; "
        "default: the issuers' own, and this machine's loopback.",
    )
    signing_command: Command = Field(
        "",
        description="Program, with its arguments, that signs Open Badges where a key's file holds the public "
        "key alone (docs/issuers.md); the key's name is its last argument.",
    )
    api: Url = Field(
        "", description="URL of a worker that answers: `explain` and `status` ask it in place of the topics."
    )
    api_token_file: File = Field(
        None, description="File of the LMS's token (JWT) that it is asked with: an administrator's."
    )
    api_http: Address = Field(
        "",
        description="`host:port` of the API; default `127.0.0.1:8050`; port 0: any; host `*`: every address, "
        "IPv4 and IPv6.",
    )
    api_store: File = Field(
        None,
        description="File of what the API knows, on a disk that is kept: it then starts in seconds; without, "
        "a temporary one, and each start reads the topics whole.",
    )
    api_keys_file: File = Field(
        None,
        description="File of the LMS's public keys that callers' tokens are checked by (JWK set or PEM).",
    )
    api_keys_url: KeysUrl = Field("", description="In its place the web address of the LMS's JWK set.")
    api_issuers: Names = Field(
        (), description="Who may have signed a token (`iss`), comma-separated: the LMS's `JWT_ISSUER`."
    )
    api_audience: str = Field("openedx", min_length=1, description="Whom a token must be for (`aud`).")
    api_origins: Origins = Field(
        (),
        description="Origins of the pages that may show a learner's answers (the MFEs), like "
        "`https://apps.lms.example.org`, comma-separated.",
    )
    api_proxies: Networks = Field(
        (),
        description="Addresses or networks of the proxies whose `X-Forwarded-For` is believed, "
        "comma-separated.",
    )
    api_public_pages: bool = Field(
        True, description="Whether a learner may make a page of a badge that everybody sees who has its link."
    )
    api_demo_login: bool = Field(
        False,
        description="In place of the LMS a login at `/badges/demo/login/?lms_user_id=…` that asks for "
        "nothing; only where API and Kafka are this machine's loopback.",
    )
    api_learner_rate: int = Field(
        120, ge=0, le=1_000_000, description="Requests a minute of one caller; 0: any number."
    )
    api_address_rate: int = Field(
        3_000,
        ge=0,
        le=10_000_000,
        description="Requests a minute of one address, behind which a whole school may be; 0: any number.",
    )
    console_workers: Pages = Field(
        (),
        description="Where the console asks for the workers' pages, as `host:port`, comma-separated; of a "
        "name all its addresses. Default: where the groups' members are, and then without the token of "
        "BADGES_HTTP_TOKEN_FILE.",
    )
    console_writes: bool = Field(
        False,
        description="Whether administrators may award, revoke, reissue and redrive in the console.",
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written.")
    kafka_idle_seconds: float = Field(
        180,
        ge=1,
        le=540,
        description="A connection to a broker that was not used for this long is closed; keep it below what "
        "load balancers and firewalls on the way allow.",
    )
    kafka_security_protocol: SecurityProtocol = Field("PLAINTEXT", description="How to talk to the brokers.")
    kafka_sasl_mechanism: SaslMechanism = Field("PLAIN", description="SASL mechanism.")
    kafka_username: str = Field("", description="SASL user name.")
    kafka_password_file: File = Field(
        None,
        description="File of the SASL password, or of OAUTHBEARER's token, read for each connection.",
    )
    kafka_ca_file: File = Field(None, description="Authorities that sign the brokers' certificates (PEM).")
    kafka_cert_file: File = Field(
        None, description="Certificate by which the brokers know us (PEM, with its chain)."
    )
    kafka_key_file: File = Field(None, description="The certificate's private key (PEM).")
    redis: RedisUrl = Field(
        "redis://localhost:6379/0",
        description="URL of the Redis that is the bus, with its database; `rediss://` for TLS.",
    )
    redis_username: str = Field("", description="User name at Redis; empty: its default user.")
    redis_password_file: File = Field(
        None, description="File of the password at Redis, read for each connection."
    )
    redis_ca_file: File = Field(None, description="Authorities that sign Redis' certificate (PEM).")
    redis_stream_max_len: int = Field(
        10_000,
        ge=1,
        description="About how many entries a stream keeps to which badge events are added; as many as the "
        "LMS' `EVENT_BUS_REDIS_STREAM_MAX_LEN`, for what is added by either shortens it.",
    )
    registry_ca_file: File = Field(
        None, description="Authorities that sign the registry's certificate (PEM)."
    )
    registry_username: str = Field("", description="User name for the registry's basic authentication.")
    registry_password_file: File = Field(None, description="File that holds the registry's password.")

    @field_validator("topic_prefix", "source_topics", "badge_topic")
    @classmethod
    def _names_of_topics(cls, value: str | tuple[str, ...], info: ValidationInfo) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        # A stream of Redis may have any name.
        if info.data.get("bus") == "kafka" and not all(
            re.fullmatch(TOPIC_PART, name) for name in names if name
        ):
            raise ValueError(
                "must be made of letters, digits, dots, dashes and underscores, as topics' names are"
            )
        return value

    @field_validator("relay_id")
    @classmethod
    def _a_group_each(cls, value: str, info: ValidationInfo) -> str:
        app = info.data.get("app_id")
        if value in (app, f"{app}{BRIDGE}"):
            raise ValueError("must differ from BADGES_APP_ID, and from that with -bridge: they are groups")
        return value

    @field_validator("registry")
    @classmethod
    def _of_a_kafka_bus(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("bus") == "kafka":  # decision 0025
            raise ValueError(
                "must not be empty where BADGES_BUS is kafka: its events are framed by a registry"
            )
        return value

    @property
    def bridge_id(self) -> str:
        """Consumer group of the bridge."""
        return f"{self.app_id}{BRIDGE}"

    @property
    def lifecycle_topic(self) -> str:
        """The bus's own topic for badge events, with its prefix."""
        return f"{self.topic_prefix}-{LIFECYCLE_TOPIC}" if self.topic_prefix else LIFECYCLE_TOPIC


def load_settings() -> Settings:
    """Read the settings from the environment; raise `ConfigurationError`, one line a wrong one."""
    if unknown := "\n".join(_unknown(os.environ)):
        raise ConfigurationError(unknown)
    try:
        return Settings.model_validate(dict(_given(os.environ)))
    except ValidationError as error:
        lines = (
            f"BADGES_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise ConfigurationError("\n".join(lines)) from None


def tls(cafile: Path | None, setting: str) -> ssl.SSLContext:
    """What trusts these authorities, or the system's; `ConfigurationError` names the setting."""
    try:
        return ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"{setting}: cannot be read: {error}") from None


def read_secret(path: Path, setting: str) -> str:
    """The secret in `path`, without the line end; `ConfigurationError` names the setting."""
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_BYTES + 1).decode().rstrip("\r\n")
    except OSError as error:
        why = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        why = "not UTF-8"
    else:
        if len(text) <= SECRET_BYTES and text == blanked(text):
            return text
        why = f"not one line of at most {SECRET_BYTES} bytes"
    raise ConfigurationError(f"{setting}: {path}: {why}") from None


def _given(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The fields that the environment sets; their variables may be written in any case."""
    for name, text in environment.items():
        field = name[len(PREFIX) :].lower()
        if name[: len(PREFIX)].upper() == PREFIX and field in Settings.model_fields:
            yield field, text


def _unknown(names: Iterable[str]) -> Iterator[str]:
    """A line for each variable that looks like a setting of ours and is none, with what may be meant."""
    for name in sorted(names):
        prefix, field = name[: len(PREFIX)].upper(), name[len(PREFIX) :].lower()
        if prefix == PREFIX and field not in Settings.model_fields and not KUBERNETES.search(name):
            meant = get_close_matches(field, Settings.model_fields, n=1)
            yield f"{name}: no such setting" + (f"; did you mean BADGES_{meant[0].upper()}?" if meant else "")
