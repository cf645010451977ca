"""A catalog says which key an organization has; it cannot say that the relay reads or sends anything else."""

import os
from pathlib import Path

import pytest

from streams.relay.keys import KEY_BYTES, Key, KeyRef, Reach, reach
from streams.settings import Settings

CREDLY = "https://api.credly.com"
ENVIRON = {"CREDLY_API_KEY_DEMO": "a-key", "KAFKA_PASSWORD": "hush", "CREDLY_TWO": "one\nHost: two"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    directory.mkdir()
    return directory


def key(
    ref: KeyRef,
    directory: Path = Path("/nowhere"),
    base: str = CREDLY,
    issuer: str = "credly",
    **settings: object,
) -> Key:
    allowed = reach(Settings(issuer_key_dir=directory, **settings))  # whatever is told
    return Key(issuer, base, ref, Reach(allowed.directory, allowed.env_prefix, allowed.hosts, ENVIRON))


def test_a_key_is_read_from_its_directory_by_its_name_or_its_whole_path(keys: Path) -> None:
    (keys / "demo").write_text("a-key\n")

    for file in ("demo", str(keys / "demo")):
        assert key(KeyRef(file=file), keys).read() == "a-key"


def test_a_mounted_secrets_links_are_followed_and_a_change_of_them_seen(keys: Path) -> None:
    for version, text in (("..1", "first"), ("..2", "second")):
        (keys / version).mkdir()
        (keys / version / "demo").write_text(text)
    (keys / "..data").symlink_to("..1")
    (keys / "demo").symlink_to("..data/demo")
    mounted = key(KeyRef(file=str(keys / "demo")), keys)
    assert mounted.read() == "first"

    (keys / "..next").symlink_to("..2")
    (keys / "..next").rename(keys / "..data")

    assert mounted.read() == "second"


@pytest.mark.parametrize(
    "file",
    ["/proc/self/environ", "/dev/zero", "/etc/hostname", "../secret", "link", "folder/../../secret", "keys"],
)
def test_a_file_elsewhere_is_not_read_whatever_leads_there(keys: Path, file: str) -> None:
    (keys.parent / "secret").write_text("hush")
    (keys / "link").symlink_to("../secret")
    (keys / "folder").mkdir()
    (keys / "keys").symlink_to("..", target_is_directory=True)
    elsewhere = key(KeyRef(file=file), keys)

    assert elsewhere.read() == ""
    assert elsewhere.fault == f"its key's file is not in {keys} (BADGES_ISSUER_KEY_DIR)"


def test_a_file_that_turns_into_a_link_elsewhere_is_no_longer_a_key(keys: Path) -> None:
    (keys.parent / "secret").write_text("hush")
    (keys / "demo").write_text("a-key")
    turned = key(KeyRef(file="demo"), keys)
    assert turned.read() == "a-key"

    (keys / "demo").unlink()
    (keys / "demo").symlink_to("../secret")

    assert turned.read() == ""


@pytest.mark.timeout(5)
def test_a_pipe_a_folder_and_a_device_are_no_keys(keys: Path) -> None:
    os.mkfifo(keys / "pipe")
    (keys / "folder").mkdir()

    for name in ("pipe", "folder"):
        irregular = key(KeyRef(file=name), keys)
        assert (irregular.read(), irregular.fault) == ("", "its key's file is not a regular one")
    assert key(KeyRef(file="/dev/zero"), Path("/dev")).read() == ""


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a" * (KEY_BYTES + 1), f"its key's file holds more than {KEY_BYTES} bytes"),
        (b"A=1\0B=2\0", "what is at its key's reference is no key: it is not text"),
        (b"one\ntwo\n", "what is at its key's reference is no key: it is not one line of text"),
        (b"\xff\xfe", "what is at its key's reference is no key: it is not text"),
        (b" \n", "there is no key at the catalog's reference"),
    ],
)
def test_what_cannot_be_a_key_is_none_until_it_is_replaced(keys: Path, content: bytes, fault: str) -> None:
    (keys / "demo").write_bytes(content)
    wrong = key(KeyRef(file="demo"), keys)
    assert (wrong.read(), wrong.fault) == ("", fault)

    (keys / "demo").write_bytes(b"a-key")

    assert (wrong.read(), wrong.fault) == ("a-key", "")


def test_a_variable_is_a_key_only_if_its_name_begins_with_the_issuers_or_as_the_settings_say() -> None:
    assert key(KeyRef(env="CREDLY_API_KEY_DEMO")).read() == "a-key"
    assert key(KeyRef(env="CREDLY_TWO")).read() == ""
    other = key(KeyRef(env="KAFKA_PASSWORD"))
    assert (other.read(), other.fault) == (
        "",
        "its key's variable does not begin with CREDLY_ (BADGES_ISSUER_KEY_ENV_PREFIX)",
    )

    assert key(KeyRef(env="KAFKA_PASSWORD"), issuer_key_env_prefix="KAFKA_").read() == "hush"
    assert key(KeyRef(env="CREDLY_API_KEY_DEMO"), issuer_key_env_prefix="KAFKA_").read() == ""


@pytest.mark.parametrize(
    ("base", "hosts"),
    [
        (CREDLY, ()),
        ("https://sandbox-api.credly.com", ()),
        ("http://127.0.0.1:8090", ()),
        ("http://localhost:8090", ()),
        ("http://[::1]:8090", ()),
        ("https://proxy.example.org", ("Proxy.example.org",)),
        ("https://proxy.example.org:8443", ("proxy.example.org:8443", "api.credly.com")),
        ("https://[2001:db8::1]", ("[2001:db8::1]:443",)),
    ],
)
def test_a_host_of_the_issuer_or_of_the_settings_may_be_called(base: str, hosts: tuple[str, ...]) -> None:
    assert key(KeyRef(env="CREDLY_API_KEY_DEMO"), base=base, issuer_hosts=hosts).read() == "a-key"


@pytest.mark.parametrize(
    ("base", "hosts"),
    [
        ("https://anywhere.example.org", ()),
        ("https://api.credly.com.example.org", ()),
        ("https://169.254.169.254", ()),
        (CREDLY, ("proxy.example.org",)),
        ("http://127.0.0.1:8090", ("proxy.example.org",)),
        ("https://proxy.example.org:22", ("proxy.example.org:8443",)),
    ],
)
def test_no_other_host_gets_a_key_or_a_call(base: str, hosts: tuple[str, ...]) -> None:
    sent = key(KeyRef(env="CREDLY_API_KEY_DEMO"), base=base, issuer_hosts=hosts)

    assert sent.read() == ""
    assert "BADGES_ISSUER_HOSTS" in sent.fault


def test_a_webhooks_host_must_be_allowed_and_its_secret_be_one(keys: Path) -> None:
    (keys / "hook").write_text("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n")
    (keys / "wrong").write_text("C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n")
    hook, url = KeyRef(file="hook"), "https://example.org/hooks/campus"

    assert not key(hook, keys, url, "webhook").read()
    assert key(hook, keys, url, "webhook", issuer_hosts=("example.org",)).read()
    assert key(hook, keys, "http://127.0.0.1:8000/hook", "webhook").read()
    wrong = key(KeyRef(file="wrong"), keys, url, "webhook", issuer_hosts=("example.org",))
    assert (wrong.read(), wrong.fault) == ("", "its secret does not begin with whsec_")
