"""The command line with a fault of `tests.faults.worker` built in, the fault in `FAULT`."""

from streams import cli
from streams.operate import catch_up
from tests.faults.worker import build_in

BATCH_RECORDS = 100
"""In a transaction: also a short run's past is several."""


def main() -> None:
    build_in()
    vars(catch_up)["BATCH_RECORDS"] = BATCH_RECORDS
    cli.main(prog_name="badge-streams")


if __name__ == "__main__":
    main()
