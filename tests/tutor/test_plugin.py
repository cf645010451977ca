"""The plugin knows the product's events, though it is installed without the product."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tutor" / "tutorbadgestreams"


def test_the_plugins_events_are_what_the_code_declares(tmp_path: Path) -> None:
    made = tmp_path / "events.py"

    subprocess.run([sys.executable, ROOT / "tutor" / "make_events.py", made], check=True)

    assert made.read_text() == (PLUGIN / "events.py").read_text(), "run make reference"


def test_the_plugins_image_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f'PRODUCT_VERSION = "{version}"' in (PLUGIN / "__about__.py").read_text()


def test_the_plugin_brings_the_kafka_that_the_tests_run_on() -> None:
    pom = (ROOT / "streams" / "sandbox" / "pom.xml").read_text()

    [version] = re.findall(r"apache/kafka:([\d.]+)", (PLUGIN / "plugin.py").read_text())
    assert f"<version>{version}</version>" in pom


def test_every_setting_of_the_plugin_has_its_row_in_its_operators_page() -> None:
    plugin = (PLUGIN / "plugin.py").read_text()
    settings = set(re.findall(r'^    "([A-Z_]+)": ', plugin, re.M)) | {"PAGES_TOKEN"}
    table = (ROOT / "docs" / "tutor.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}

    assert rows == settings


def test_the_plugin_carries_the_licence() -> None:
    assert (ROOT / "tutor" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
