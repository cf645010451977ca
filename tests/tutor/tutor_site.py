"""Configurations rendered by a real Tutor with the plugin of this tree, and what is read out of them."""

import builtins
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, patch

import yaml

from streams.bus.publication import PUBLICATIONS

ROOT = Path(__file__).parents[2]
VERSIONS = ("21", "22")
CATALOG = ROOT / "streams" / "sandbox" / "catalog.yaml"

STOCK: Mapping[str, Any] = {
    "BADGESTREAMS_CATALOG": CATALOG.read_text(),
    "BADGESTREAMS_ISSUER_KEYS": {"CREDLY_API_KEY_DEMO": "a$b'c\"d"},
}
"""A site as it comes: all that an operator gives is the catalog and a key."""
EXTERNAL: Mapping[str, Any] = {
    "PLUGINS": ["badgestreams", "mfe", "credentials"],
    "RUN_REDIS": False,
    "REDIS_HOST": "redis.example.org",
    "REDIS_PORT": 6380,
    "REDIS_PASSWORD": "p@ss/w:rd",
    "BADGESTREAMS_TOPIC_PREFIX": "prod",
    "BADGESTREAMS_CATALOG": str(CATALOG),
    "BADGESTREAMS_RUN_KAFKA": False,
    "BADGESTREAMS_KAFKA": "kafka-1.example.org:9093,kafka-2.example.org:9093",
    "BADGESTREAMS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "BADGESTREAMS_KAFKA_USERNAME": "badges",
    "BADGESTREAMS_KAFKA_PASSWORD": "secret: #1",
    "BADGESTREAMS_KAFKA_CA": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "BADGESTREAMS_REDIS_POLICY": "",
    "BADGESTREAMS_API": True,
    "BADGESTREAMS_SETTINGS": {"issuer_rate": 2, "register_schemas": False, "issuer_hosts": ["a:1", "b:2"]},
}
"""Kafka and Redis are elsewhere, with passwords."""


@dataclass(frozen=True, slots=True)
class Tutor:
    """An installed Tutor."""

    program: Path
    major: str

    def run(self, root: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        plugins = root / "plugins"
        plugins.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        environment = kept | {"TUTOR_ROOT": str(root), "TUTOR_PLUGINS_ROOT": str(plugins)} | more
        return subprocess.run(
            [self.program, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def render(self, root: Path, config: Mapping[str, Any]) -> "Rendered":
        """Render a site with this configuration; fails where Tutor does."""
        root.joinpath("config.yml").write_text(yaml.safe_dump({"PLUGINS": ["badgestreams"], **config}))
        done = self.run(root, "config", "save")
        assert done.returncode == 0, done.stdout + done.stderr
        return Rendered(self, root)


@cache
def installed(major: str) -> Tutor:
    """The Tutor of that major version, with the plugin."""
    made = subprocess.run(
        [ROOT / "tests" / "tutor" / "venv", major], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return Tutor(Path(made.stdout.strip()) / "bin" / "tutor", major)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Tutor has made of a configuration."""

    tutor: Tutor
    root: Path

    @property
    def env(self) -> Path:
        return self.root / "env"

    def compose(self, jobs: bool = False) -> dict[str, Any]:
        """The services of `tutor local`, or of its jobs."""
        name = "docker-compose.jobs.yml" if jobs else "docker-compose.yml"
        services: dict[str, Any] = self.yaml(f"local/{name}")["services"]
        return services

    def yaml(self, path: str) -> Any:
        return yaml.safe_load(self.env.joinpath(path).read_text())

    def manifests(self) -> list[dict[str, Any]]:
        """Every object of ours for Kubernetes."""
        files = [*sorted(self.env.joinpath("k8s").glob("*.yml")), *self.env.glob("plugins/*/k8s/*.yml")]
        found = [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]
        return [one for one in found if one["metadata"]["name"].startswith("badgestreams")]

    def secret(self, name: str) -> str:
        return self.env.joinpath("plugins/badgestreams/apps/secrets", name).read_text()

    def settings(self, service: str) -> dict[str, Any]:
        """The settings of `lms` or `cms`, run as Django does, behind those of the platform."""
        code = self.env.joinpath(f"apps/openedx/settings/{service}/production.py").read_text()
        platform = ModuleType(f"{service}.envs.production")
        vars(platform)["EVENT_BUS_PRODUCER_CONFIG"] = platform_config()
        stubs = {name: MagicMock() for name in IMPORTED if name.partition(".")[0] not in sys.modules}
        settings = Anything()
        ours = patch.dict(sys.modules, stubs | {platform.__name__: platform})
        with ours, patch("warnings.filterwarnings"):
            exec(compile(code, f"{service}.py", "exec"), {}, settings)
        return settings

    def environment(self, service: str, jobs: bool = False) -> dict[str, str]:
        """A service's environment, as compose gives it to the container."""
        given = self.compose(jobs)[service]["environment"]
        return {name: value.replace("$$", "$") for name, value in given.items()}

    def jobs(self, *arguments: str) -> dict[str, str]:
        """What `tutor local do` runs in the containers, by service; nothing is run."""
        words = self.docker("local", "do", *arguments)
        runs = [at for at, word in enumerate(words) if word.endswith("-job")]
        return {words[at].removesuffix("-job"): words[at + 4] for at in runs}

    def docker(self, *arguments: str) -> list[str]:
        """The words of all that Tutor would have docker do."""
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        docker = folder / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        log = self.root / "docker.log"
        log.write_text("")
        path = f"{folder}:{os.environ['PATH']}"
        done = self.tutor.run(self.root, *arguments, PATH=path)
        assert done.returncode == 0, done.stdout + done.stderr
        return log.read_text().split("\0")[:-1]


DOCKER = """\
#!/bin/sh
case "$*" in *" ls --format json") echo "[]" ;; esac
for word; do printf '%s\\0' "$word"; done >> "$TUTOR_ROOT/docker.log"
"""
"""In place of docker: answers that nothing runs, and notes what it is to do."""


class Anything(dict[str, Any]):
    """Names of which a stand-in has none are anything that can be used in any way."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) or name.startswith("EVENT_BUS"):
            raise KeyError(name)
        self[name] = MagicMock()
        return self[name]


IMPORTED = (
    "lms",
    "lms.envs",
    "cms",
    "cms.envs",
    "xmodule",
    "xmodule.modulestore",
    "xmodule.modulestore.modulestore_settings",
    "django",
    "django.utils",
    "django.utils.deprecation",
    "openedx",
    "openedx.core",
    "openedx.core.lib",
    "openedx.core.lib.features_setting_proxy",
    "codejail",
    "codejail.jail_code",
)
"""What the settings import that only an LMS has."""


def platform_config() -> dict[str, dict[str, dict[str, Any]]]:
    """`EVENT_BUS_PRODUCER_CONFIG` as it is when Tutor's settings are run: settled, and all switched off."""
    config: dict[str, dict[str, dict[str, Any]]] = {
        "org.openedx.content_authoring.xblock.published.v1": {
            "course-authoring-xblock-lifecycle": {
                "event_key_field": "xblock_info.usage_key",
                "enabled": False,
            },
        },
        "org.openedx.learning.xblock.skill.verified.v1": {
            "learning-xblock-skill-verified": {"event_key_field": "xblock_info.usage_key", "enabled": False},
        },
    }
    for event, how in PUBLICATIONS.items():
        if how.shipped and how.service == "LMS":
            config[event] = {how.topic: {"event_key_field": how.key, "enabled": False}}
    return config


def words(command: str) -> list[str]:
    """A shell's command as its words."""
    return shlex.split(command)
