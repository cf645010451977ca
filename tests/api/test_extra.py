"""Only `badge-streams api` needs what the extra brings."""

import os
import subprocess
import sys

EXTRA = ("babel", "cryptography", "fastapi", "httptools", "jinja2", "jwt", "starlette", "uvicorn")


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command where none of the extra is installed."""
    away = "".join(f"sys.modules[{name!r}] = None; " for name in EXTRA)
    code = f"import sys; {away}from streams.cli import main; main(prog_name='badge-streams')"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_it_the_command_says_what_to_install() -> None:
    ended = run("api")

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "pip install 'badge-streams[api]'" in ended.stderr


def test_without_it_the_other_commands_run() -> None:
    asking = run("explain", "--learner", "42", BADGES_API="http://127.0.0.1:1")

    assert asking.stderr.startswith("BADGES_API_TOKEN_FILE: ")
    for command in ("status", "tracker", "relay", "demo"):
        assert run(command, "--help").returncode == 0
