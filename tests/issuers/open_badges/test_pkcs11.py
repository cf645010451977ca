"""A key that never leaves its token, SoftHSM's, signs by the example of the documentation."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.issuers.open_badges import making
from streams.issuers.open_badges.keys import Key, read_key
from streams.relay.signing import Signer, SigningError
from streams.sandbox.debian import libraries, unpacked
from tests.issuers.open_badges.a_badge import ABOUT, Issuing, award
from tests.issuers.open_badges.conftest import Verify

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "sign-with-pkcs11-tool"
PACKAGES = (
    *("softhsm2", "softhsm2-common", "libsofthsm2", "opensc", "opensc-pkcs11"),
    # What they link to, besides what every Debian has.
    *("libglib2.0-0", "libffi8"),
)
PIN = "1234"


@dataclass(frozen=True)
class Token:
    """A token of SoftHSM: `env` is what programs need to use it."""

    env: Mapping[str, str]

    def run(self, *command: str) -> str:
        run = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def tool(self, *arguments: str) -> str:
        module, token = self.env["PKCS11_MODULE"], self.env["PKCS11_TOKEN"]
        return self.run("pkcs11-tool", "--module", module, "--token-label", token, *arguments)

    def make_key(self, id: str) -> Key:
        """Make a key in the token; what comes out of it is the public half."""
        self.tool("--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:edwards25519", "--id", id)
        return read_key(self.tool("--read-object", "--type", "pubkey", "--id", id))


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    try:
        folder = unpacked("softhsm", PACKAGES)
    except ConfigurationError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    more = {
        "PATH": f"{folder / 'usr' / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": libraries(folder),
        "SOFTHSM2_CONF": str(config),
        "PKCS11_MODULE": str(folder / "usr" / "lib" / "softhsm" / "libsofthsm2.so"),
        "PKCS11_TOKEN": "badges",
        "PKCS11_PIN": PIN,
    }
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    made = Token({**os.environ})
    begin = ("--init-token", "--free", "--label", "badges", "--so-pin", PIN, "--pin", PIN)
    made.run("softhsm2-util", "--module", more["PKCS11_MODULE"], *begin)
    return made


async def test_what_keys_in_a_token_have_signed_is_verified_also_after_a_rotation(
    token: Token, verify: Verify
) -> None:
    first, second = token.make_key("01"), token.make_key("02")
    signer = Signer((str(EXAMPLE), f"{first.name}=01", f"{second.name}=02"))
    # The tool gives EdDSA no more than 1,024 bytes.
    issuing = Issuing(jwt=False)
    try:
        for badge, key in (("before", first), ("after", second)):
            desk = issuing.desk_of(key, await signer.secret(key))
            issuing.keep(await signer.signed(key, making.issue(desk, award(badge), ABOUT)))
    finally:
        await signer.close()

    badges = [value["document"] for name, value in issuing.published.items() if name.startswith("cred")]
    results = verify(badges, issuing.documents())
    assert [(r["verified"], r["status"]) for r in results] == [(True, False), (True, False)]
    assert issuing.keys() == [first.name, second.name]


async def test_a_key_that_the_token_does_not_have_signs_nothing(token: Token) -> None:
    key = token.make_key("01")
    signer = Signer((str(EXAMPLE), f"{key.name}=09"))

    with pytest.raises(SigningError, match="has ended with"):
        await signer.secret(key)
