"""Has badges signed: by the organization's key, or by a command that has it (decision 0098)."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from streams.issuers.issuer import Signed, SigningKey

T = TypeVar("T")

ANSWER_SECONDS = 10.0
"""For what is signed of a badge, two lines: ten times what a tool takes that logs in for each of them. A
device or a service takes milliseconds to a tenth of a second."""
END_SECONDS = 1.0
"""For a command to end by itself once nothing more is asked of it."""
NAMES = b"badge-streams names"
"""Its signature is the key's secret. It is neither the hashes of a proof nor the text of a JWT."""


class SigningError(Exception):
    """Nothing was signed; the message says why."""


class Command:
    """A process that signs by one key: it is given lines of base64, and answers each with one, in order.

    Where it fails, its process is ended, and the next line begins another one.
    """

    def __init__(self, command: Sequence[str], key: SigningKey) -> None:
        self.key = key
        self._command = command
        self._process: Process | None = None
        self._line = asyncio.Lock()

    async def sign(self, data: Sequence[bytes]) -> Sequence[bytes]:
        """The signatures of what is to be signed; raise `SigningError` without any that are the key's."""
        async with self._line:
            signed = False
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answers = await self._answers(data)
                signatures = [self._checked(*pair) for pair in zip(data, answers, strict=True)]
                signed = True
                return signatures
            except TimeoutError:
                raise SigningError(f"its signing command has not answered in {ANSWER_SECONDS:g} s") from None
            except OSError as error:
                raise SigningError(f"its signing command cannot be run: {error.strerror}") from None
            finally:
                if not signed:
                    # Also where nobody waits any more: the next answer would be of another line.
                    await self._end()

    async def close(self) -> None:
        """End the process, once what was asked of it is answered."""
        async with self._line:
            process = self._process
            if process is not None and process.stdin is not None:
                process.stdin.close()
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), END_SECONDS)
                await self._end()

    async def _answers(self, data: Sequence[bytes]) -> list[bytes]:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, self.key.name, stdin=PIPE, stdout=PIPE, start_new_session=True
            )
        given, told = self._process.stdin, self._process.stdout
        assert given is not None
        assert told is not None
        with suppress(ConnectionError):
            # Where it has ended, that it says nothing is told below.
            given.writelines(b64encode(one) + b"\n" for one in data)
            await given.drain()
        answers = []
        for _ in data:
            try:
                answers.append(await told.readuntil(b"\n"))
            except asyncio.IncompleteReadError:
                code = await self._process.wait()
                raise SigningError(f"its signing command has ended with {code}") from None
            except asyncio.LimitOverrunError:
                raise SigningError("its signing command's answer is no signature") from None
        return answers

    def _checked(self, data: bytes, answer: bytes) -> bytes:
        """A signature that was answered: what nobody could verify is not published."""
        try:
            signature = b64decode(answer.strip(), validate=True)
        except ValueError:
            raise SigningError("its signing command's answer is no base64") from None
        if not self.key.is_signature(data, signature):
            raise SigningError("its signing command's answer is no signature by the key")
        return signature

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                # With what it has started itself.
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


class Signer:
    """Signs for an organization, by the key of the moment; `command` has those keys that are not here."""

    def __init__(self, command: Sequence[str]) -> None:
        self._argv = command
        self._command: Command | None = None
        self._secret: tuple[SigningKey, bytes] | None = None

    async def secret(self, key: SigningKey) -> bytes:
        """What only the key can tell, always the same; raise `SigningError` as `signed`."""
        if self._secret is None or self._secret[0] is not key:
            (secret,) = await self._sign(key, (NAMES,))
            self._secret = key, secret
        return self._secret[1]

    async def signed(self, key: SigningKey, steps: Signed[T]) -> T:
        """Have signed what the steps ask for; return what they come to, or raise `SigningError`."""
        signatures: Sequence[bytes] | None = None
        while True:
            try:
                data = steps.send(signatures)  # type: ignore[arg-type]  # a generator begins with None
            except StopIteration as end:
                result: T = end.value
                return result
            signatures = await self._sign(key, data)

    async def close(self) -> None:
        """End what was started."""
        if self._command is not None:
            await self._command.close()

    async def _sign(self, key: SigningKey, data: Sequence[bytes]) -> Sequence[bytes]:
        signatures = [signature for one in data if (signature := key.sign(one)) is not None]
        if len(signatures) == len(data):
            return signatures
        if not self._argv:
            raise SigningError("its key's file has a public key, and BADGES_SIGNING_COMMAND names no command")
        command = self._command
        if command is None or command.key is not key:
            before, command = command, Command(self._argv, key)
            self._command = command
            if before is not None:
                await before.close()
        return await command.sign(data)
