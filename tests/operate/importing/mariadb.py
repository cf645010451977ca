"""A real MariaDB out of Debian's packages, with the credentials service's tables."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql

from streams.sandbox.debian import libraries, unpacked
from streams.sandbox.kafka import free_ports
from tests.operate.importing.database import HERE, Object, inserts

PACKAGES = ("mariadb-server-core", "mariadb-common", "libaio1", "liburing2", "libnuma1", "libsystemd0")
READY_SECONDS = 60.0


@contextmanager
def mariadb(objects: list[Object]) -> Iterator[str]:
    """A server with these objects; the URL of its database."""
    programs, port = unpacked("mariadb", PACKAGES), free_ports(1)[0]
    with TemporaryDirectory(prefix="badge-streams-mariadb-") as scratch:
        options = {
            "datadir": scratch,
            "socket": f"{scratch}/socket",
            "pid-file": f"{scratch}/pid",
            "port": str(port),
            "bind-address": "127.0.0.1",
            "lc-messages-dir": str(programs / "usr" / "share" / "mysql"),
            "innodb-buffer-pool-size": "16M",
            "innodb-flush-log-at-trx-commit": "0",
        }
        command = [str(programs / "usr" / "sbin" / "mariadbd"), "--no-defaults", "--skip-grant-tables"]
        with Path(scratch, "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "--user=root", *(f"--{name}={value}" for name, value in options.items())],
                env={**os.environ, "LD_LIBRARY_PATH": libraries(programs)},
                stdout=log,
                stderr=log,
            )
        try:
            _fill(port, objects)
            yield f"mysql://anybody@127.0.0.1:{port}/credentials"
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()


def _fill(port: int, objects: list[Object]) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            opened = pymysql.connect(host="127.0.0.1", port=port, user="anybody", autocommit=False)
            break
        except pymysql.OperationalError:
            assert time.monotonic() < end
            time.sleep(0.1)
    with closing(opened), opened.cursor() as cursor:
        cursor.execute("CREATE DATABASE credentials CHARACTER SET utf8mb4")
        cursor.execute("USE credentials")
        cursor.execute("SET foreign_key_checks = 0, sql_mode = 'ANSI_QUOTES'")
        for statement in _in_mysql((HERE / "schema.sql").read_text()).split(";"):
            if statement.strip().startswith("CREATE TABLE"):
                cursor.execute(statement)
        for statement, row in inserts(objects):
            cursor.execute(statement.replace("?", "%s"), [_time(value) for value in row])
        opened.commit()


def _in_mysql(schema: str) -> str:
    """The schema as Django makes it on MariaDB 10.7 and later, where a UUID is a type of its own."""
    schema = re.sub(r"\bchar\(32\)", "uuid", schema).replace("AUTOINCREMENT", "AUTO_INCREMENT")
    schema = schema.replace("DEFERRABLE INITIALLY DEFERRED", "").replace("datetime", "datetime(6)")
    return re.sub(r' REFERENCES "\w+" \("\w+"\)', "", schema)


def _time(value: object) -> object:
    """A time as MySQL takes it."""
    found = isinstance(value, str) and re.fullmatch(r"(\d{4}-\d\d-\d\d)T([\d:.]+)Z", value)
    return f"{found[1]} {found[2]}" if found else value
