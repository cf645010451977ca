"""Every metric, declared once, by Prometheus' naming rules. A metric that is not here does not exist."""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)

_END_TO_END = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""Seconds: from a transaction's own time to an hour's outage of what comes next."""
_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds: from an answer in the same network to the longest that a call may take."""


def _counter(name: str, says: str, *labels: str) -> Counter:
    return Counter(f"badges_{name}", says, labels, registry=REGISTRY)


def _gauge(name: str, says: str, *labels: str) -> Gauge:
    return Gauge(f"badges_{name}", says, labels, registry=REGISTRY)


def _histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"badges_{name}", says, labels, buckets=buckets, registry=REGISTRY)


def begin(counter: Counter, *values: Iterable[str]) -> None:
    """Let a counter begin with 0 for each combination of these values of its labels.

    Prometheus' `increase` cannot see the first count of a series that is born with it.
    """
    for labels in product(*values):
        counter.labels(*labels)


BUILD = Info("badges_build", "Version of the product and of Python.", registry=REGISTRY)

# The stream.
RECORDS_READ = _counter("records_read_total", "Records that an agent took.", "topic")
RECORDS_DROPPED = _counter("records_dropped_total", "Records read and dropped.", "agent", "reason")
ACTIVITIES_MATCHED = _counter("activities_matched_total", "Activities forwarded because a rule matched.")
ACTIVITIES_JUDGED = _counter("activities_judged_total", "Activities judged against a learner's progress.")
DECISIONS = _counter("decisions_total", "Decisions emitted.", "kind", "template")
HELD = _gauge(
    "held",
    "Learners who hold a template's badge; after a start or rebalance it is counted in the background.",
    "template",
)
DECISION_LATENCY = _histogram(
    "decision_latency_seconds", "From an activity's time to its decision's commit.", _END_TO_END
)
DEAD_LETTERS = _counter("dead_letters_total", "Records set aside.", "agent", "reason")

# The runtime.
READY = _gauge("ready", "1 while partitions are assigned and their tables recovered, as /ready says.")
LAG = _gauge("lag_records", "Records below the last stable offset not yet committed.", "topic", "partition")
WAITING = _gauge(
    "waiting_partition",
    "1 while a partition waits for something outside: the schema registry, or Redis.",
    *("topic", "partition"),
)
COMMITS = _counter("commits_total", "Units of work committed.", "topic", "partition")
LAST_COMMIT = _gauge(
    "last_commit_timestamp_seconds", "Unix time of the last committed unit.", "topic", "partition"
)
ABORTS = _counter("transaction_aborts_total", "Units of work aborted.", "topic")
GAPS = _counter(
    "retention_gaps_total", "Times that retention removed records before they were read.", "topic"
)
REBALANCES = _counter("rebalances_total", "Assignments received from the consumer group.")
RECOVERY_SECONDS = _gauge(
    "recovery_seconds", "How long the table's last recovery took.", "table", "partition"
)
RECOVERY_RECORDS = _counter("recovery_records_total", "Changelog records read in recoveries.", "table")
TABLE_KEYS = _gauge("table_keys", "Keys held in a table's partition.", "table", "partition")

# A small site's supervisor, in place of what starts containers again.
WORKER_RESTARTS = _counter("worker_restarts_total", "Workers that ended and were started again.", "worker")

# The catalog.
CATALOG = _gauge("catalog_info", "1 for the catalog revision in force.", "revision")
TEMPLATE_INFO = _gauge("template_info", "1 for each template of the catalog in force.", "template", "name")
CATALOG_TEMPLATES = _gauge("catalog_templates", "Templates of the catalog in force.", "state")
CATALOG_REFUSALS = _counter("catalog_refusals_total", "Catalogs refused at run time.")

# The schema registry.
REGISTRY_LATENCY = _histogram("registry_request_seconds", "Requests to the schema registry.", _CALL, "method")
REGISTRY_ERRORS = _counter("registry_errors_total", "Failed requests to the schema registry.", "kind")

# The streams of a bus on Redis.
UNREAD_ENTRIES = _gauge("unread_entries", "Entries of a stream of Redis that are not read yet.", "stream")
NEAR_LOSS = _gauge(
    "unread_entries_near_loss",
    "How near the oldest unread entry of a stream is to being removed: 1 is next.",
    "stream",
)
REDIS_LOSSES = _counter(
    "redis_losses_total", "Times that entries of a stream went missing in Redis.", "stream", "kind"
)
ENTRIES_LOST = _counter(
    "entries_lost_total", "Entries known to have gone missing in Redis unread.", "stream", "kind"
)

ENTRIES_ADDED = _counter("entries_added_total", "Badge events added to a stream of Redis.", "stream")

# The issuers, by each organization there.
_WHERE = ("issuer", "organization")
ISSUER_CALLS = _counter("issuer_calls_total", "Calls to an issuer.", *_WHERE, "call", "outcome")
ISSUER_LATENCY = _histogram("issuer_call_seconds", "Calls to an issuer.", _CALL, *_WHERE)
ISSUE_LATENCY = _histogram(
    "issue_latency_seconds", "From a decision's time to the issuer's acceptance.", _END_TO_END, *_WHERE
)
ISSUER_PENDING = _gauge(
    "issuer_pending", "Badges whose desired state their issuer does not hold yet.", *_WHERE
)
ISSUER_OLDEST = _gauge(
    "issuer_oldest_pending_seconds", "Age of the oldest decision its issuer does not hold yet.", *_WHERE
)
ISSUER_STUCK = _gauge(
    "issuer_stuck", "Badges that wait for a person: refused, or lacking the learner's data.", *_WHERE, "why"
)
ISSUER_WITHHELD = _gauge(
    "issuer_withheld", "Badges that their issuer has made and does not publish: no credits are left.", *_WHERE
)
ISSUER_BREAKER = _gauge(
    "issuer_breaker_open", "1 while calls to the organization are held back by failures.", *_WHERE
)
ISSUER_PAUSED = _gauge("issuer_paused", "1 while the issuer refuses the organization's key.", *_WHERE)
ISSUER_KEY_EXPIRY = _gauge(
    "issuer_key_expiry_timestamp_seconds", "Unix time at which the organization's key expires.", *_WHERE
)
ISSUER_PARKED = _gauge(
    "issuer_parked", "Badges parked: their template is archived or missing.", *_WHERE, "template"
)
FEED_EVENTS = _counter("issuer_feed_events_total", "What happened at the issuer, as read.", *_WHERE, "event")
FEED_AS_OF = _gauge(
    "issuer_feed_as_of_timestamp_seconds",
    "Unix time until which it is read what happened at the issuer; of the worker that reads it.",
    *_WHERE,
)
FEED_GAPS = _counter(
    "issuer_feed_gaps_total", "Times that the issuer no longer said all that had happened.", *_WHERE
)
CORRECTIONS = _counter(
    "issuer_corrections_total",
    "Badges whose state at the issuer was changed there by others, by the state since.",
    *(*_WHERE, "state"),
)

# The API.
API_REQUESTS = _counter("api_requests_total", "Requests answered.", "status")
API_LATENCY = _histogram("api_request_seconds", "From a request to the beginning of its answer.", _CALL)
API_AS_OF = _gauge(
    "api_as_of_timestamp_seconds",
    "Unix time whose commits are all known; 0 before that was so for the first time.",
)
API_UNREADABLE = _counter(
    "api_unreadable_total", "Records that could not be read, and are left out.", "topic"
)
