"""`python -m tests.bench.scale`: what sites of any size take, computed from what was measured: docs/scale.md.

The page holds the measured costs in a table of its own, and the rest follows from it: without an option the
page is written again from its table. `--measure` measures the costs first; `--check LEARNERS` measures a site
of that size on this machine, to be compared with what the costs say. The options of a load print the page for
another site.
"""

import argparse
import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from streams.kafka.topics import SEGMENT_BYTES, Topic
from streams.runtime.consumer import SESSION_MS
from tests.bench import costs as measuring
from tests.bench import sizing
from tests.bench.sizing import ASSUMED, DEFAULTS, MEASURED, MIB, TOPICS, Checked, Costs, Load, Site

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
GB, MB = 10**9, 10**6

NEEDS: Mapping[str, Callable[[Site], str]] = {
    "`BADGES_PARTITIONS`": lambda site: f"{site.partitions}",
    "events a day": lambda site: f"{site.events_a_day:,.0f}",
    "events a second in the busiest hour": lambda site: f"{site.peak:,.1f}",
    "trackers": lambda site: f"{site.trackers}",
    "memory of each, MiB": lambda site: f"{site.tracker_mib:,.0f}",
    "events a second that they bear": lambda site: _about(site.borne),
    "a dead tracker is replaced after s": lambda site: f"{site.takeover_s:.1f}",
    "all are ready from nothing after s": lambda site: f"{site.cold_start_s:.1f}",
    "an outage of a day is caught up in h": lambda site: f"{site.catch_up_hours:.2f}",
    "relays": lambda site: f"{site.relays}",
    "badges on the busiest day": lambda site: f"{site.busiest_day:,.0f}",
    "issued within h, all of one organization": lambda site: f"{site.relay_hours:.1f}",
    "brokers' disk, GB": lambda site: f"{site.disk / GB:,.1f}",
    "written in the busiest hour, MB/s": lambda site: f"{site.written / MB:,.2f}",
}


def main() -> None:
    options = _options()
    text = PAGE.read_text() if PAGE.exists() else ""
    costs, checked = read_costs(text), read_checked(text)
    if options.measure or options.check:
        costs, checked = asyncio.run(measuring.measure(options, costs, checked))
    load = Load(**{field.name: getattr(options, field.name) for field in fields(Load)})
    made = page(costs, load, checked)
    if load == Load():
        # By the figures as the page has them, which are rounded.
        PAGE.write_text(page(read_costs(made), load, read_checked(made)))
    else:
        print(made)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale")
    parser.add_argument("--measure", action="store_true", help="measure the costs, and write them down")
    parser.add_argument("--check", type=int, nargs="*", default=(), help="learners to measure a site of")
    for name, what in ASSUMED.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=getattr(Load(), name), help=what
        )
    return parser.parse_args()


def read_costs(text: str) -> Costs:
    """The costs in the page's table; raise `ValueError` where one is missing."""
    found = {name: _number(cell) for name, cell in re.findall(r"(?m)^\| `(\w+)` \| ([\d.,]+) \|", text)}
    if missing := MEASURED.keys() - found:
        raise ValueError(f"{PAGE}: no figure for {', '.join(sorted(missing))}")
    return Costs(**{name: found[name] for name in MEASURED})


def read_checked(text: str) -> list[Checked]:
    """What was measured of whole sites, of the page's table."""
    cells = r"\| ([\d,]+) \| [\d.,]+ \| ([\d.,]+) \| [\d.,]+ \| ([\d.,]+) \|"
    return [
        Checked(int(_number(n)), _number(s), _number(m)) for n, s, m in re.findall(f"(?m)^{cells}$", text)
    ]


def page(costs: Costs, load: Load, checked: Iterable[Checked]) -> str:
    """The page."""
    sites = [Site(learners, costs, load) for learners in SIZES]
    needs = [(name, *(cell(site) for site in sites)) for name, cell in NEEDS.items()]
    assumed = [(f"`{name}`", f"{value:g}", ASSUMED[name]) for name, value in asdict(load).items()]
    measured = [(f"`{name}`", _figure(value), MEASURED[name]) for name, value in asdict(costs).items()]
    columns = ("learners", "ready after s, computed", "measured", "memory MiB, computed", "measured")
    return "\n".join(
        [
            _INTRODUCTION,
            *_table(("learners", *(f"{site.learners:,}" for site in sites)), needs, "---:"),
            _EXPLANATION,
            *_table(("what", "at", "what one sees, and the way on"), _limits(costs, load)),
            _ASSUMPTIONS,
            *_table(("", "assumed", "means"), assumed),
            _COSTS,
            *_table(("", "measured", "means"), measured),
            _CHECK,
            *_table(columns, (_check(costs, one) for one in checked), "---:"),
            "",
        ]
    )


def _limits(costs: Costs, load: Load) -> list[tuple[str, str, str]]:
    """What gives, in the order in which a growing site meets it: what, where, and what then."""
    memory, pace = sizing.memory_learners(costs), sizing.pace_learners(load)
    processor = sizing.processor_learners(costs, load)
    partitions = sizing.PARTITION_LEARNERS * DEFAULTS.partitions
    places, network = sizing.source_partitions(), sizing.network_trackers(costs)
    found = {
        memory: (
            "the memory of one tracker",
            f"{_about(memory)} learners in {sizing.WORKER_MIB:,} MiB",
            "it is killed at a takeover (`OOMKilled`): one more for as many learners again",
        ),
        partitions: (
            "the default number of partitions",
            f"{partitions:,} learners",
            "takeovers and `explain` take longer; the number cannot be changed later, so choose it at first",
        ),
        pace: (
            "the issuer's pace",
            f"{_about(pace)} learners of one organization",
            "badges of the busiest day are issued the day after (BadgeIssuanceLate): a higher "
            "`BADGES_ISSUER_RATE` if the issuer bears it",
        ),
        processor: (
            "the processor of one tracker",
            f"{_about(processor)} learners",
            "nothing is seen of it: memory asks for more trackers before",
        ),
        places * sizing.PARTITION_LEARNERS: (
            "the place next to an offset",
            f"{places:.0f} partitions of sources together",
            "it is no longer noticed that a source was created again if the group's offsets went with it: "
            "keep the bus's topics below that",
        ),
        memory * network: (
            "the brokers' network",
            f"{network:.0f} trackers that start at once",
            f"a start from nothing is as fast as {sizing.BROKERS} brokers send, "
            f"{sizing.BROKER_BYTES / MB:,.0f} MB/s each",
        ),
    }
    return [found[learners] for learners in sorted(found)]


def _check(costs: Costs, one: Checked) -> tuple[str, ...]:
    ready = costs.start_s + one.learners / costs.read_rate
    memory = costs.worker_mib + one.learners * costs.learner_memory / MIB
    seconds, sizes = (ready, one.ready_s), (memory, one.memory_mib)
    return f"{one.learners:,}", *(f"{n:.1f}" for n in seconds), *(f"{n:,.0f}" for n in sizes)


def _days(topic: Topic) -> str:
    return f"{sizing.kept_days(topic):.0f}"


def _about(value: float) -> str:
    """To three digits."""
    return f"{float(f'{value:.3g}'):,.0f}"


def _figure(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---") -> list[str]:
    lines = [columns, ["---", *(align for _ in columns[1:])], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


_INTRODUCTION = """# Scale

What a site takes, from a thousand learners to fifty million. Made by `make scale` from the costs
[below](#measured); `python -m tests.bench.scale --help` says how to compute it for what your learners do. A
learner is one of whom the tracker keeps a progress: who ever had an event that a rule names.
"""
_EXPLANATION = f"""
- Partitions: at most {sizing.PARTITION_LEARNERS:,} learners each, so that what moves at once, and what
  `explain` reads, takes a second. Choose them for the learners that you will have: they cannot be changed.
- Trackers: as many as memory asks for, {sizing.WORKER_MIB:,} MiB each, and one more, since any may be
  missing. Their memory counts with one missing, and leaves a fifth free.
- A dead tracker is noticed after {SESSION_MS / 1000:.0f} s; then the others read what it had, side by side.
  Until it is compacted a changelog is up to {sizing.UNCOMPACTED} times as long as its table, and each
  partition's newest {SEGMENT_BYTES // MIB} MiB never are: that is counted, so most takeovers are faster.
- Relays: as many as memory asks for, and one more. Together they call an organization's issuer
  {sizing.RELAYS_RATE:g} times a second, however many they are.
- Disk: our topics with {DEFAULTS.replication} replicas, activities of {_days(TOPICS.activities)} days, and
  badge events of {_days(TOPICS.badges)}. The bus's other topics come to it. What is written is without
  replicas.

## What gives first

In the order in which a growing site meets it.
"""
_ASSUMPTIONS = """
## Assumed

Each is an option of the command.
"""
_COSTS = """
## Measured

By `python -m tests.bench.scale --measure`, with the learners of [performance](performance.md). To compute
with other figures, write them here and run `make scale`.
"""
_CHECK = """
## Checked

One tracker, started on the tables of that many learners (`--check`), and what the costs say of it.
"""


if __name__ == "__main__":
    main()
