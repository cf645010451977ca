"""Kafka as its image would start it: the variables become properties, and the broker runs here."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from streams.sandbox.jars import jars, java
from streams.sandbox.kafka import free_ports
from streams.sandbox.process import Process

FOR_THE_SCRIPT = {"KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS"}
"""What Kafka's start script reads; the image makes a property of every other variable."""
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
"""The image's own."""


def properties(environment: Mapping[str, str]) -> dict[str, str]:
    """`server.properties` as the image makes them."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment.items()
        if name not in FOR_THE_SCRIPT
    }


def start(environment: Mapping[str, str], folder: Path) -> tuple[Process, str]:
    """Start a broker of this environment in `folder`; returns it and its address.

    It listens on free ports of the loopback, which take the place of the container's.
    """
    broker, controller = free_ports(2)
    text = "".join(f"{name}={value}\n" for name, value in properties(environment).items())
    text = text.replace(environment["KAFKA_LOG_DIRS"], str(folder / "data"))
    text = re.sub("0.0.0.0:9092|badgestreams-kafka:9092", f"127.0.0.1:{broker}", text)
    text = text.replace("localhost:9093", f"localhost:{controller}")
    config = folder / "server.properties"
    config.write_text(text)
    options = [word for name in sorted(FOR_THE_SCRIPT) for word in environment[name].split()]
    classpath = os.pathsep.join(map(str, sorted(jars().kafka.glob("*.jar"))))
    command = [java(), *options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    formatting = ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "-c", str(config)]
    done = subprocess.run([*command, *formatting], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    process = Process([*command, "kafka.Kafka", str(config)], log=folder / "kafka.log")
    return process, f"127.0.0.1:{broker}"
