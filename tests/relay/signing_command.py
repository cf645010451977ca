"""A signing command: signs by the tests' key of a seed, after the manner of its first argument.

python -m tests.relay.signing_command MANNER STARTS SEED… MULTIKEY

`STARTS` is a file to which each process adds its id. Of the seeds, it signs by the one whose key it is told.
"""

import os
import sys
import time
from base64 import b64decode, b64encode
from pathlib import Path

from tests.issuers.open_badges.a_badge import key


def alive(pid: int) -> bool:
    """Whether a process runs; what has ended and was not buried, as in a container, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main(manner: str, starts: str, *rest: str) -> None:
    *seeds, name = rest
    with Path(starts).open("a") as file:
        file.write(f"{os.getpid()}\n")
    known = {key(int(seed)).name: key(int(seed)) for seed in seeds}
    for number, line in enumerate(sys.stdin):
        signature = known[name].sign(b64decode(line)) or b""
        match manner:
            # The first line is the one for the secret: fail at what comes after it.
            case "ends" if number == 2:
                sys.exit(3)
            case "hangs" if number == 2:
                time.sleep(600)
            case "lies":
                signature = bytes(64)
            case "babbles":
                print("Using signature algorithm EDDSA", flush=True)
                continue
        print(b64encode(signature).decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
