"""`python -m tests.bench`: measures, prints, and writes docs/performance.md.

`python -m tests.bench throughput --events 60000 --runs 1` runs one part and only prints it; with `--write`
the part's section of the page is replaced.
"""

import argparse
import asyncio
import os
import platform
import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from streams.sandbox import publisher
from streams.sandbox.bus import Bus
from streams.sandbox.kafka import Kafka
from streams.sandbox.registry import Apicurio
from tests.bench import api, bridging, core, failover, growth, latency, recovery, throughput, workload
from tests.bench.throughput import Bench, Contender, Figures

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BROKER_JVM = ("-Xmx1g", "-XX:+UseSerialGC")
PLAIN = Contender("hand-written loop, plain", flags=())
LOOP = Contender("hand-written loop, transactional")
PROJECTING = Contender(
    "hand-written loop, transactional, projecting", flags=("--transactional", "--projecting")
)
OURS = tuple(Contender(f"badge-streams, {n:,} template{'s' * (n > 1)}", n) for n in (1, 100, 10_000))
MIB = 2**20
OPTIMIZED = "--enable-optimizations"
"""How the Pythons of Debian and of the image were built."""

Cells = Sequence[object]


def main() -> None:
    options = _options()
    wanted = [name for name in PARTS if not options.parts or name in options.parts]
    sections: dict[str, str] = {}
    with (
        Kafka(jvm=BROKER_JVM) as kafka,
        Apicurio() as registry,
        TemporaryDirectory(prefix="badge-streams-bench-") as folder,
    ):
        ids = asyncio.run(publisher.register(registry.url))
        bench = Bench(Bus(kafka.bootstrap, registry.url), Path(folder), ids)
        for name in wanted:
            sections[name] = PARTS[name](bench, options)
            print(sections[name], flush=True)
            if options.write or not options.parts:
                _write(sections)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all, and the page is written")
    parser.add_argument("--events", type=int, default=300_000, help="events of a run (throughput, growth)")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--seconds", type=float, default=20, help="how long a rate is held (latency)")
    parser.add_argument("--learners", type=int, default=1_000_000, help="the largest table (recovery, api)")
    parser.add_argument("--write", action="store_true", help="replace the sections of the parts in the page")
    return parser.parse_args()


def _throughput(bench: Bench, options: argparse.Namespace) -> str:
    all_match = _interleaved(
        bench, (PLAIN, LOOP, PROJECTING, *OURS), options.runs, workload.events(bench.ids, options.events)
    )
    few = workload.events(bench.ids, options.events, mostly_false=True)
    few_match = _interleaved(bench, (LOOP, OURS[0]), options.runs, few)
    ours = [all_match[contender].micros for contender in OURS]
    ratios, projecting = (
        ", ".join(f"{micros / all_match[loop].micros:.2f}" for micros in ours) for loop in (LOOP, PROJECTING)
    )
    return "\n".join(
        [
            "## Throughput and processor time",
            "",
            _prose(
                f"""{options.events:,} events as the LMS writes them (10 headers, 8 partitions,
                {workload.LEARNERS:,} learners, {workload.COURSES} courses; at the fifth course passed a
                badge), both stages, one worker, the broker on the same machine; the median of
                {options.runs} interleaved runs on the same messages. Processor time is the worker
                process's own, user and system, from the moment at which all events appear. Every event
                matches a rule, so each takes both stages."""
            ),
            "",
            *_figures(all_match),
            "",
            f"**Ours over the projecting loop: {projecting}; over the one that forwards all: {ratios}** "
            f"(1, 100, 10,000 templates; the largest is {max(ours) / min(ours):.2f} times the smallest).",
            "",
            _prose(
                """The same with the passing status as an LMS sends it, mostly `is_passing=false`, which
                the first stage drops:"""
            ),
            "",
            *_figures(few_match),
            "",
            f"Ours over the loop: {few_match[OURS[0]].micros / few_match[LOOP].micros:.2f}.",
            "",
            _prose(
                """The loops (`tests/bench/loop.py`) are what one would write with aiokafka for speed
                alone: the one rule written out, record batches built by hand, one transaction a fetch.
                The projecting one forwards a course and whether it is passed, and keeps the courses and a
                count; the others forward all bytes and headers, decode in both stages, and keep what the
                tracker keeps of a learner. They neither check what they read nor have a catalog, dead
                letters, metrics or protection against a paused worker."""
            ),
        ]
    )


def _latency(bench: Bench, options: argparse.Namespace) -> str:
    rates = (50, 200, 500, 5_000)
    # A broker that has just started is slow for a while.
    asyncio.run(throughput.measure(bench, OURS[0], workload.events(bench.ids, 60_000)))
    rows = []
    for contender in (OURS[0], LOOP):
        for found in asyncio.run(latency.measure(bench, contender, rates, options.seconds)):
            milliseconds = (f"{n:.0f}" for n in (found.p50, found.p95, found.p99))
            counts = (f"{found.samples:,}", f"{found.busy:.1f}")
            rows.append((contender.name, f"{found.rate:,}", *milliseconds, *counts))
    return "\n".join(
        [
            "## Latency",
            "",
            _prose(
                f"""From just before an event is sent until a `read_committed` reader has its badge event,
                in milliseconds; every event earns a badge; {options.seconds:.0f} s a rate after a
                warm-up. Sender and reader run on the same machine; the last column is how many of its
                processors were at work. Where all are, a unit waits, holds more events, and costs less
                an event."""
            ),
            "",
            *_table(("", "events/s", "p50", "p95", "p99", "badge events", "processors"), rows),
        ]
    )


def _recovery(bench: Bench, options: argparse.Namespace) -> str:
    rows = []
    for learners in (0, 10_000, 100_000, 1_000_000):
        if learners > options.learners:
            continue
        found = asyncio.run(recovery.measure(bench, learners))
        if not learners:
            empty = found
        values = found.values / max(1, learners)
        bound = 1.3 * (found.values + 250 * learners) / MIB
        more = (found.memory - empty.memory) / MIB
        rows.append(
            (
                f"{learners:,}",
                f"{found.seconds:.1f}",
                f"{found.seconds - empty.seconds:.1f}",
                f"{values:.0f}",
                f"{found.memory / MIB:,.0f}",
                f"{more:,.0f}",
                f"{bound:,.0f}",
            )
        )
    columns = (
        "learners",
        "ready after s",
        "more than empty, s",
        "B a learner",
        "memory MiB",
        "more than empty, MiB",
    )
    return "\n".join(
        [
            "## Recovery",
            "",
            _prose(
                """From the start of the process (Python's imports included) until every partition is
                ready. The bound on memory is 1.3 times the bytes of keys and values and 250 B a
                learner."""
            ),
            "",
            *_table((*columns, "bound MiB"), rows),
        ]
    )


def _failover(bench: Bench, options: argparse.Namespace) -> str:
    rows = []
    for static in (False, True):
        took = [asyncio.run(failover.measure(bench, static=static)).seconds for _ in range(options.runs)]
        what = "restarted at once, static membership" if static else "left dead, dynamic membership"
        rows.append((what, *(f"{n:.1f}" for n in (median(took), min(took), max(took)))))
    return "\n".join(
        [
            "## Failover",
            "",
            _prose(
                f"""Two workers under {failover.RATE} events a second, one ended by `kill -9`: seconds until
                each of its partitions has committed again."""
            ),
            "",
            *_table(("the dead worker", "median", "least", "most"), rows),
        ]
    )


def _growth(bench: Bench, options: argparse.Namespace) -> str:
    count = options.events // 3
    records = workload.events(bench.ids, count)
    rows: list[Cells] = []
    for contender in growth.contenders():
        runs = [asyncio.run(throughput.measure(bench, contender, records)) for _ in range(options.runs)]
        rows.append((contender.name, *_cells(_median(runs)), ""))
    for requirements in (1, 100, 1_000):
        few = max(1_000, count // 5)
        found, size = asyncio.run(growth.touched(bench, requirements, few))
        rows.append((f"{requirements:,} requirements touched", *_cells(found), f"{size:,}"))
    return "\n".join(
        [
            "## Growth",
            "",
            _prose(
                f"""{count:,} events that all match; processor time is the sum of the workers, on
                {os.cpu_count()} processors which they share with the broker; memory is the largest
                worker's. With requirements touched: {growth.LEARNERS:,} learners whose progress holds
                that many counted requirements, {max(1_000, count // 5):,} events."""
            ),
            "",
            *_table(("", "CPU µs an event", "events/s", "memory MiB", "B a progress"), rows),
        ]
    )


def _core(bench: Bench, options: argparse.Namespace) -> str:
    rows = []
    for templates in (1, 100, 10_000):
        found = core.measure(templates, min(options.events, 50_000), options.runs)
        rows.append((f"{templates:,}", *(f"{n:,.0f}" for n in (found.match, found.decide, found.judge))))
    return "\n".join(
        [
            "## The core alone",
            "",
            _prose(
                """Activities a second on one processor, without Kafka and Avro: finding what an activity
                meets, deciding what follows and folding it into the learner's progress, and both
                together."""
            ),
            "",
            *_table(("templates", "match", "decide", "both"), rows),
        ]
    )


def _api(bench: Bench, options: argparse.Namespace) -> str:
    found = asyncio.run(api.measure(bench, options.learners, options.seconds))
    return "\n".join(
        [
            "## The API",
            "",
            _prose(
                f"""{options.learners:,} learners with a badge each in the store, and {api.ASKED} requests a
                second for {options.seconds:.0f} s, each of one learner's progress with a token of her own,
                while {api.TOLD:,} learners a second change. Broker, sender and who asks share the machine;
                an answer's time counts from when its request was due."""
            ),
            "",
            *_table(("", ""), api.cells(found)),
        ]
    )


def _redis(bench: Bench, options: argparse.Namespace) -> str:
    count, bridged, kafka = options.events, [], []
    records, entries = workload.events(bench.ids, count), bridging.events(count)
    for _ in range(options.runs):
        kafka.append(asyncio.run(throughput.measure(bench, OURS[0], records)))
        bridged.append(asyncio.run(bridging.measure(bench, entries)))
        print(kafka[-1], bridged[-1], flush=True)
    bridge, track = (
        median(run.bridge for run in bridged) / count * 1e6,
        median(run.track for run in bridged) / count * 1e6,
    )
    rekey = _median(kafka).micros - track
    given, both = (
        count / median(run.given for run in bridged),
        count / median(run.seconds for run in bridged),
    )
    rows = [
        ("from Kafka: `rekey`, in the tracker", f"{rekey:.1f}", "", f"{_median(kafka).rate:,.0f}"),
        ("from Redis: a bridge", f"{bridge:.1f}", f"{given:,.0f}", f"{both:,.0f}"),
    ]
    memory = median(run.memory for run in bridged) / MIB
    return "\n".join(
        [
            "## A bus on Redis",
            "",
            _prose(
                f"""The same {count:,} events, which all match, from either bus to the activities; one worker
                of each kind, Redis and Kafka on the same machine; the median of {options.runs} interleaved
                runs. What `rekey` takes is what the tracker takes of a bus on Kafka, less the {track:.1f} µs
                that it takes where a bridge has done that part. The bridge is a process of its own beside the
                tracker, and its memory at its peak is {memory:.0f} MiB."""
            ),
            "",
            *_table(("", "CPU µs an event", "events/s, this part", "events/s, both stages"), rows),
            "",
            f"**The bridge over `rekey`: {bridge / rekey:.2f}.**",
        ]
    )


PARTS: dict[str, Callable[[Bench, argparse.Namespace], str]] = {
    "throughput": _throughput,
    "latency": _latency,
    "recovery": _recovery,
    "failover": _failover,
    "growth": _growth,
    "core": _core,
    "api": _api,
    "redis": _redis,
}


def _interleaved(
    bench: Bench, contenders: Sequence[Contender], runs: int, records: Sequence[workload.Record]
) -> dict[Contender, Figures]:
    found: dict[Contender, list[Figures]] = {contender: [] for contender in contenders}
    for _ in range(runs):
        for contender in contenders:
            figures = asyncio.run(throughput.measure(bench, contender, records))
            print(contender.name, *_cells(figures), flush=True)
            found[contender].append(figures)
    return {contender: _median(figures) for contender, figures in found.items()}


def _median(runs: Sequence[Figures]) -> Figures:
    return Figures(
        runs[0].events,
        median(run.cpu for run in runs),
        median(run.seconds for run in runs),
        round(median(run.memory for run in runs)),
        median(run.forwarded for run in runs),
    )


def _figures(found: dict[Contender, Figures]) -> list[str]:
    rows = [(c.name, *_cells(figures), f"{figures.forwarded:.0f}") for c, figures in found.items()]
    return _table(("", "CPU µs an event", "events/s", "memory MiB", "B an activity"), rows)


def _cells(figures: Figures) -> tuple[str, str, str]:
    return f"{figures.micros:.1f}", f"{figures.rate:,.0f}", f"{figures.memory / MIB:,.0f}"


def _prose(text: str) -> str:
    return " ".join(text.split())


def _table(columns: Sequence[str], rows: Iterable[Cells]) -> list[str]:
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _write(sections: dict[str, str]) -> None:
    """Replace sections of the page; those that were not measured stay as they are."""
    old = PAGE.read_text() if PAGE.exists() else ""
    kept = {part.split("\n", 1)[0]: part.strip() for part in re.split(r"(?m)^(?=## )", old)[1:]}
    measured = {section.split("\n", 1)[0]: f"{section}\n\n{_when()}" for section in sections.values()}
    found = kept | measured
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join([_INTRODUCTION, *found.values()]) + "\n")


def _when() -> str:
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {_machine()}."


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lscpu = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
    model = re.search(r"(?m)^Model name:\s*(.+)$", lscpu)
    name = model.group(1) if model else platform.machine()
    optimized = OPTIMIZED in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    python = f"Python {platform.python_version()} ({'with' if optimized else 'without'} `{OPTIMIZED}`)"
    return f"{os.cpu_count()} processors ({name}), {memory:.0f} GiB of memory, {python}, Kafka 4.1"


_INTRODUCTION = """# Performance

`make bench` measures all of this and writes this page; `python -m tests.bench PART` prints one part
(`--help` has its options). Broker, worker, sender and reader share one machine, so a worker with a processor
of its own is faster; compare ratios, and processor time, rather than rates. A Python that was built with
`--enable-optimizations`, as the image's was, takes about 0.85 of the processor time of one that was not
(decision 0105)."""


if __name__ == "__main__":
    main()
