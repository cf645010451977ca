"""The real workers as one process tree, on a real Kafka."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from streams.sandbox.bus import Bus
from streams.sandbox.process import Deadline, Process
from tests.here import on_bus
from tests.sites import CATALOG


def test_a_site_gets_ready_survives_a_killed_worker_and_ends_cleanly(sandbox: Bus, tmp_path: Path) -> None:
    commands = on_bus(sandbox, f"one-{uuid4().hex[:8]}", catalog=CATALOG, partitions=2)
    commands.run("topics", "--create", "--all")
    site = commands.start("site", log=tmp_path / "log")
    try:
        wait_until_ready(site)
        os.kill(child(site, "tracker"), signal.SIGKILL)
        deadline = Deadline(30, f"the tracker is started again: {site.log.read_text()}")
        while "The tracker ended, killed by SIGKILL; it is started again in 1 s" not in site.log.read_text():
            deadline.wait()
        wait_until_ready(site)
        page = read(site, "metrics").decode()
    finally:
        code = site.stop()

    assert code == 0, site.log.read_text()
    ready = {
        sample.labels["worker"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "badges_ready"
    }
    assert ready == {"tracker": 1, "relay": 1}
    assert 'badges_worker_restarts_total{worker="tracker"} 1.0' in page
    assert re.search("^relay: .* INFO ", site.log.read_text(), re.M)


def test_a_wrong_setting_of_a_worker_ends_the_site_with_exit_code_2(sandbox: Bus, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text("version: 1\ntemplates: [{}]\n")
    commands = on_bus(sandbox, f"one-{uuid4().hex[:8]}", catalog=catalog, partitions=1)
    commands.run("topics", "--create", "--all")

    site = commands.start("site", log=tmp_path / "log")

    assert site.wait(30) == 2, site.log.read_text()
    assert "cannot run with this configuration; it says why" in site.log.read_text()


def wait_until_ready(site: Process) -> None:
    deadline = Deadline(40, "the site is ready")
    while not json.loads(read(site, "ready") or b'{"ok": false}')["ok"]:
        deadline.wait()


def read(site: Process, page: str) -> bytes:
    """A page of the site; empty while it serves none."""
    found = re.search(r"^\S+ INFO streams.runtime.pages: pages at (\S+)/health", site.log.read_text(), re.M)
    if found is None:
        return b""
    try:
        body: bytes = urllib.request.urlopen(f"{found[1]}/{page}", timeout=10).read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return body


def child(site: Process, worker: str) -> int:
    """The process id of a worker of the site."""
    for line in Path(f"/proc/{site.pid}/task/{site.pid}/children").read_text().split():
        if Path(f"/proc/{line}/cmdline").read_bytes().rstrip(b"\0").endswith(worker.encode()):
            return int(line)
    raise AssertionError(f"no {worker} of {site.pid}")
