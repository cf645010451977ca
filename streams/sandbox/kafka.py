"""A real Kafka in KRaft mode, run from here: one node, or three that replicate."""

import asyncio
import os
import random
import resource
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.sandbox.jars import JVM, jars, java
from streams.sandbox.process import READY_SECONDS, Deadline, Process, tail
from streams.sandbox.server import Server

CLUSTER_ID = "c2FuZGJveC1jbHVzdGVyLQ"

Security = Literal["PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password that the cluster lets in by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512."""

    name: str = "badges"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)


@contextmanager
def broker() -> Iterator[str]:
    """The bootstrap servers of the Kafka that `SANDBOX_KAFKA` names, else of one started here."""
    running = os.environ.get("SANDBOX_KAFKA")
    if running:
        yield running
        return
    with Kafka() as kafka:
        yield kafka.bootstrap


async def create_topics(
    bootstrap: str,
    names: Sequence[str],
    *,
    partitions: int = 1,
    replication: int = 1,
    configs: Mapping[str, str] | None = None,
    **connection: Any,
) -> None:
    """Create the topics that do not exist yet, and wait until every partition has a leader."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **connection)
    await admin.start()
    try:
        new = [NewTopic(name, partitions, replication, topic_configs=dict(configs or {})) for name in names]
        for name, code, *_ in (await admin.create_topics(new)).topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)(name)
        async with asyncio.timeout(READY_SECONDS):
            while not _led(await admin.describe_topics(list(names)), partitions):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


class Kafka(Server):
    """A cluster of our own on free ports of 127.0.0.1; its logs are in a temporary folder, removed with it.

    With three nodes, topics can be replicated three times and need two replicas in sync. With
    `security="SASL_SSL"`, clients need `user` and trust `ca_file`. `properties` override the ones set here.
    With `proxied`, there is a second way to each node, in plain text, for a proxy of the caller's.
    Every method blocks for seconds: in a running event loop, call it through `asyncio.to_thread`.
    """

    def __init__(
        self,
        nodes: Literal[1, 3] = 1,
        *,
        security: Security = "PLAINTEXT",
        properties: Mapping[str, str | int] | None = None,
        proxied: bool = False,
        jvm: Sequence[str] = JVM,
    ) -> None:
        super().__init__("Kafka")
        self.nodes = range(1, nodes + 1)
        self.security = security
        self.user = Login()
        self.ca_file = self.scratch / "ca.pem"
        self._jvm = tuple(jvm)
        self._properties = dict(properties or {})
        self._proxied = proxied
        listeners = ("CLIENT", "INTERNAL", "CONTROLLER", "PROXIED", "PROXY")
        ports = iter(free_ports(len(listeners) * nodes))
        self._ports = {(node, listener): next(ports) for node in self.nodes for listener in listeners}
        self._processes: dict[int, Process] = {}

    @property
    def bootstrap(self) -> str:
        """What clients connect to, comma-separated."""
        return ",".join(f"127.0.0.1:{self._ports[node, 'CLIENT']}" for node in self.nodes)

    @property
    def internal(self) -> str:
        """Another way, by which nobody is asked to log in."""
        return ",".join(f"127.0.0.1:{self._ports[node, 'INTERNAL']}" for node in self.nodes)

    def proxy_ports(self, node: int) -> tuple[int, int]:
        """Where a node tells clients of the second way to connect, and where it listens for them itself."""
        return self._ports[node, "PROXY"], self._ports[node, "PROXIED"]

    def connection(self) -> dict[str, Any]:
        """The arguments, besides the bootstrap servers, that a client of aiokafka needs."""
        if self.security == "PLAINTEXT":
            return {}
        return {
            "security_protocol": self.security,
            "ssl_context": ssl.create_default_context(cafile=self.ca_file),
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": self.user.name,
            "sasl_plain_password": self.user.password,
        }

    def start(self) -> None:
        """Start every node, and wait until all of them answer."""
        if self.security == "SASL_SSL":
            self._make_keystore()
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(self._format, self.nodes))
        for node in self.nodes:
            self._launch(node)
        self.wait_ready()

    def close(self) -> None:
        """Kill every node and remove the cluster's files."""
        for node in list(self._processes):
            self.kill(node)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def stop(self, node: int = 1) -> None:
        """End a node as an operator does: it hands over its leaderships first."""
        self._processes.pop(node).stop()

    def kill(self, node: int = 1) -> None:
        """End a node as a crash does."""
        self._processes.pop(node).kill()

    def pause(self, node: int = 1) -> None:
        """Freeze a node: it neither answers nor closes its connections."""
        self._processes[node].send(signal.SIGSTOP)

    def resume(self, node: int = 1) -> None:
        """Let a paused node go on."""
        self._processes[node].send(signal.SIGCONT)

    def fill_disk(self, node: int = 1) -> None:
        """Let each write of a node fail, as on a full disk; where it was restarted it has room again."""
        pid = self._processes[node].pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    def has_ended(self, node: int = 1) -> bool:
        """Whether a node that was started has ended by itself."""
        return self._processes[node].exit_code is not None

    def restart(self, node: int = 1) -> None:
        """Start a node again with the logs it had, and wait until all running ones answer."""
        self._launch(node)
        self.wait_ready()

    def log(self, node: int = 1) -> Path:
        """The file with a node's output."""
        return self.scratch / f"node-{node}.log"

    def wait_ready(self, within: float = READY_SECONDS) -> None:
        """Wait until each node that was started accepts clients and is registered with the cluster."""
        deadline = Deadline(within, "Kafka is not ready")
        while not (self._listening() and self._registered() == set(self._processes)):
            for node, process in self._processes.items():
                if process.exit_code is not None:
                    raise RuntimeError(f"Kafka node {node} ended: {tail(self.log(node))}")
            deadline.wait()

    def _listening(self) -> bool:
        return all(_accepts(self._ports[node, "CLIENT"]) for node in self._processes)

    def _registered(self) -> set[int]:
        # In another thread, because the caller's may already run an event loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._ask_brokers()).result()

    async def _ask_brokers(self) -> set[int]:
        # Not as a client: `properties` may ask of one what only the caller has.
        running = ",".join(f"127.0.0.1:{self._ports[node, 'INTERNAL']}" for node in self._processes)
        admin = AIOKafkaAdminClient(bootstrap_servers=running, request_timeout_ms=5_000)
        try:
            await admin.start()
            return {broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]}
        except (KafkaError, OSError):
            return set()
        finally:
            await admin.close()

    def _format(self, node: int) -> None:
        config = self._write_config(node)
        command = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        if self.security == "SASL_SSL":
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                user = f"[name={self.user.name},password={self.user.password}]"
                command += ["--add-scram", f"{mechanism}={user}"]
        run = subprocess.run([*self._java(), *command], capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"Kafka's storage could not be formatted: {run.stdout}{run.stderr}")

    def _launch(self, node: int) -> None:
        command = [*self._java(), "kafka.Kafka", str(self._config_file(node))]
        self._processes[node] = Process(command, log=self.log(node), scratch=self.scratch)

    def _java(self) -> list[str]:
        classpath = os.pathsep.join(str(jar) for jar in sorted(jars().kafka.glob("*.jar")))
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [java(), *self._jvm, logging, "-cp", classpath]

    def _config_file(self, node: int) -> Path:
        return self.scratch / f"node-{node}.properties"

    def _write_config(self, node: int) -> Path:
        config = {**self._common(), **self._listeners(node), **self._security(), **self._properties}
        config["node.id"] = node
        config["log.dirs"] = self.scratch / f"node-{node}"
        file = self._config_file(node)
        file.write_text("".join(f"{key}={value}\n" for key, value in config.items()))
        return file

    def _common(self) -> dict[str, Any]:
        replication = len(self.nodes)
        in_sync = 2 if replication == 3 else 1
        return {
            "process.roles": "broker,controller",
            "auto.create.topics.enable": "false",
            "default.replication.factor": replication,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": replication,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1_000,
            "broker.session.timeout.ms": 3_000,
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        }

    def _listeners(self, node: int) -> dict[str, Any]:
        speak = {"CLIENT": self.security, "INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        if self._proxied:
            speak["PROXIED"] = "PLAINTEXT"
        listen = {name: f"{name}://127.0.0.1:{self._ports[node, name]}" for name in speak}
        advertised = {name: at for name, at in listen.items() if name != "CONTROLLER"}
        if self._proxied:
            advertised["PROXIED"] = f"PROXIED://127.0.0.1:{self._ports[node, 'PROXY']}"
        voters = (f"{voter}@127.0.0.1:{self._ports[voter, 'CONTROLLER']}" for voter in self.nodes)
        return {
            "listeners": ",".join(listen.values()),
            "advertised.listeners": ",".join(advertised.values()),
            "listener.security.protocol.map": ",".join(f"{name}:{how}" for name, how in speak.items()),
            "inter.broker.listener.name": "INTERNAL",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(voters),
        }

    def _security(self) -> dict[str, Any]:
        if self.security == "PLAINTEXT":
            return {}
        modules = "org.apache.kafka.common.security"
        listener = "listener.name.client"
        return {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{listener}.plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule required "
            f'user_{self.user.name}="{self.user.password}";',
            f"{listener}.scram-sha-256.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            f"{listener}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            f"{listener}.ssl.keystore.type": "PKCS12",
            f"{listener}.ssl.keystore.location": self.scratch / "keystore.p12",
            f"{listener}.ssl.keystore.password": self.user.password,
            f"{listener}.ssl.key.password": self.user.password,
        }

    def _make_keystore(self) -> None:
        tool = str(Path(java()).resolve().with_name("keytool"))
        store = ["-keystore", str(self.scratch / "keystore.p12"), "-storepass", self.user.password]
        names = "san=ip:127.0.0.1,dns:localhost"
        make = ["-genkeypair", "-alias", "kafka", "-keyalg", "EC", "-groupname", "secp256r1"]
        about = ["-storetype", "PKCS12", "-dname", "CN=sandbox", "-validity", "2", "-ext", names]
        subprocess.run([tool, *make, *about, *store], check=True, capture_output=True)
        export = ["-exportcert", "-rfc", "-alias", "kafka", "-file", str(self.ca_file)]
        subprocess.run([tool, *export, *store], check=True, capture_output=True)


DRAWN = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below the range from which the system gives ports to clients.

    So no client takes the port of a node that is about to start again. They are drawn by the
    system, for tests in several processes may have seeded `random` alike.
    """
    found: list[int] = []
    while len(found) < count:
        port = DRAWN.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _led(topics: Sequence[Mapping[str, Any]], partitions: int) -> bool:
    led = [sum(p["leader"] >= 0 for p in topic["partitions"]) for topic in topics]
    return all(count >= partitions for count in led)
