"""What a command is given that it cannot use: one line says so, whatever it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.catalog.reading import TEXT_BYTES
from streams.cli import main
from streams.operate.learners import MOST_BYTES

CATALOG = "streams/sandbox/catalog.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "0"])
@pytest.mark.parametrize("command", [("status", "--wait"), ("forget", "--learner", "1", "--within")])
def test_a_wait_that_never_ends_is_refused(command: tuple[str, ...], seconds: str) -> None:
    result = run(*command, seconds)

    assert (result.exit_code, command[-1] in result.stderr) == (2, True)


@pytest.mark.parametrize("learner", ["-1", str(2**63)])
@pytest.mark.parametrize(
    "command", [("explain",), ("forget",), ("reissue",), ("record",), ("dead-letters", "list")]
)
def test_a_learner_that_no_lms_has_is_refused(command: tuple[str, ...], learner: str) -> None:
    result = run(*command, "--learner", learner)

    assert (result.exit_code, "'--learner'" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "command", [("check",), ("lms-settings",), ("simulate", "--activities", CATALOG, "--catalog")]
)
def test_of_a_file_without_an_end_no_more_is_read_than_a_catalog_may_have(command: tuple[str, ...]) -> None:
    result = run(*command, "/dev/zero")

    assert f"catalog: larger than {TEXT_BYTES} bytes" in result.output


def test_of_a_list_of_learners_without_an_end_no_more_is_read_than_one_may_have() -> None:
    result = run("award", "--template", "x", "--reason", "x", "--csv", "/dev/zero")

    assert (result.exit_code, result.stderr) == (2, f"--csv: larger than {MOST_BYTES} bytes\n")


def test_ctrl_c_ends_a_command_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.operate.check.check", interrupted)

    result = run("check", CATALOG)

    assert (result.exit_code, result.output) == (130, "\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_output_that_cannot_be_written_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", "from streams.cli import main; main()", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert (ended.returncode, ended.stderr) == (1, "No space left on device\n")
