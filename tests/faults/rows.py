"""The rows of the table of faults."""

from tests.faults import harms, world
from tests.faults.by_hand import catch_ups_and_orders
from tests.faults.compacted import compacted_and_transactional
from tests.faults.run import Harm

HARMS = (
    Harm("kill -9 at random moments", harms.kill_at_random, at_least=5),
    Harm("catch-ups and orders, kill -9 of all", catch_ups_and_orders, at_least=8),
    Harm("kill -9 at each step of a commit", harms.kill_at_each_step, at_least=5),
    Harm("zombies: paused, replaced, resumed", harms.zombies, at_least=3),
    Harm("scaling 1, 3, 1 and rolling restarts", harms.scale_and_roll, at_least=3, workers=1),
    Harm("static members replaced while paused", harms.replace_a_static_member, at_least=3, static=True),
    Harm("an agent that raises", harms.agent_raises, at_least=2),
    Harm("a commit that never ends", harms.commit_hangs, at_least=2),
    Harm(
        "a core that raises on some records",
        harms.core_raises,
        at_least=1,
        faults={"FAULT": f"poison:{harms.POISON}"},
        refuses=lambda activity, after: activity.id.endswith(harms.POISON),
    ),
    Harm("registry away, an unknown schema id", harms.registry_away, at_least=1),
    Harm("produce refused: too few replicas", harms.produce_refused, at_least=2),
    Harm(
        "source compacted, with transactions",
        harms.nothing_more,
        at_least=1,
        prepare=compacted_and_transactional,
    ),
    Harm(
        "records above the broker's limit", harms.records_too_large, at_least=1, becomes=harms.without_value
    ),
    Harm("state at its bound", harms.state_at_its_bound, at_least=1, refuses=harms.above_bound),
    Harm("the broker restarted", harms.all_brokers, at_least=2),
    Harm("TLS and SASL, kill -9 at random moments", harms.kill_at_random, at_least=5, security="SASL_SSL"),
    Harm("each broker of three killed in turn", harms.each_broker, at_least=3, nodes=3),
    Harm("all brokers of three killed at once", harms.all_brokers, at_least=2, nodes=3),
    Harm("three brokers, kill -9 at each step", harms.kill_at_each_step, at_least=5, nodes=3),
    Harm(
        "connections idle for 5 s swallowed",
        world.long_silence,
        at_least=2,
        most_ends=0,
        prepare=world.forgetful_network,
    ),
    Harm(
        "producer ids expired in silence",
        world.long_silence,
        at_least=2,
        most_ends=0,
        properties={
            "transactional.id.expiration.ms": 2_000,
            "transaction.remove.expired.transaction.cleanup.interval.ms": 500,
        },
    ),
    Harm("the group's offsets expired", world.offsets_expire, at_least=1, again=world.READ_AGAIN),
    Harm(
        "a registry node that lags",
        world.registry_lags,
        at_least=1,
        most_ends=0,
        prepare=world.lagging_registry,
    ),
    Harm(
        "a rolling update of four",
        world.roll,
        at_least=4,
        most_ends=0,
        workers=4,
        partitions=8,
        most_reads=2,
    ),
    Harm(
        "a rolling update of four, added first",
        world.roll_adding_first,
        at_least=4,
        most_ends=0,
        workers=4,
        partitions=8,
        most_reads=2,
    ),
    Harm(
        "one worker's clock off by an hour",
        world.clock_jumps,
        at_least=4,
        most_ends=0,
        prepare=world.jumping_clock,
    ),
    Harm("one worker cut off from one broker", world.cut_off, at_least=4, nodes=3, prepare=world.own_network),
    Harm("bridges killed 15 times, one woken late", harms.kill_bridges, at_least=16, bus="redis"),
    Harm("Redis crashes and is restarted", harms.redis_restarted, at_least=3, bus="redis", most_ends=0),
    Harm("a broker ten times slower", world.slow_broker, at_least=3, most_ends=0, nodes=3),
    Harm("a broker's disk full", world.full_disk, at_least=3, nodes=3),
)
