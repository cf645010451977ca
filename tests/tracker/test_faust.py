"""What `faust -A` is given in place of the command line."""

import pytest

from streams import bridge, relay, tracker


@pytest.mark.parametrize("package", [tracker, relay, bridge])
def test_a_wrong_setting_ends_it_with_one_line(
    package: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BADGES_HTTP", "nowhere")

    with pytest.raises(SystemExit) as end:
        getattr(package, "app")  # noqa: B009 (it is made as it is asked for)

    assert (end.value.code, capsys.readouterr().err) == (2, "BADGES_HTTP: must be host:port\n")
