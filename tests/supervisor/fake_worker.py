"""A worker for the supervisor to run: serves pages at the socket that it inherits, without a broker.

Its argument names a folder: each start leaves a file there with the process id, and `how` says what it does.
"""

import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Page(BaseHTTPRequestHandler):
    """What a worker says, to everybody alike."""

    def do_GET(self) -> None:
        token = os.environ.get("FAKE_TOKEN")
        if how() == "broken":
            self.answer(500, b"500 Internal Server Error")
        elif self.path == "/metrics" and token and self.headers["Authorization"] != f"Bearer {token}":
            self.answer(401, b"")
        elif self.path == "/metrics":
            self.answer(200, METRICS.replace("NAME", FOLDER.name).encode())
        elif self.path == "/health":
            self.answer(200, b'{"live": %s, "ready": %s, "mine": 1}' % (GOOD, self.verdict()))
        else:
            verdict = GOOD if self.path == "/live" and how() != "stalled" else self.verdict()
            self.answer(200 if verdict == GOOD else 503, verdict)

    def verdict(self) -> bytes:
        return GOOD if how() == "well" else BAD

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


GOOD, BAD = b'{"ok": true, "why": "well"}', b'{"ok": false, "why": "waiting for a catalog"}'
METRICS = """\
# HELP badges_ready As /ready says.
# TYPE badges_ready gauge
badges_ready 1.0
# HELP badges_commits_total Units of work committed.
# TYPE badges_commits_total counter
badges_commits_total{topic="a \\"quoted\\" one"} 5.0
# HELP badges_issuer_parked Badges parked.
# TYPE badges_issuer_parked gauge
badges_issuer_parked{template="NAME"} 5.0
"""
FOLDER = Path(sys.argv[1])


def how() -> str:
    """What the test wants of this worker now."""
    return FOLDER.joinpath("how").read_text()


def end(number: int, frame: object) -> None:
    print("finished its unit", flush=True)
    raise SystemExit(0)


def main() -> None:
    FOLDER.joinpath(f"start-{len(list(FOLDER.glob('start-*'))):03}").write_text(str(os.getpid()))
    print('{"level":"info"}', "begun", sep="\n", flush=True)
    if how().startswith("exit "):
        sys.exit(int(how().removeprefix("exit ")))
    signal.signal(signal.SIGTERM, signal.SIG_IGN if how() == "deaf" else end)
    fd = int(os.environ["BADGES_HTTP"].removeprefix("fd:"))
    server = HTTPServer(("127.0.0.1", 0), Page, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=fd)
    FOLDER.joinpath(f"serving-{time.monotonic_ns()}").touch()
    server.serve_forever()


main()
