"""The words by which dashboards know what calls came to."""

from typing import get_args

from streams.issuers.outcomes import Outcome


def test_the_words_of_outcomes_are_distinct_and_stay_what_they_are() -> None:
    words = [outcome.word for outcome in get_args(Outcome)]

    # Somebody's dashboard may ask for any of these.
    assert sorted(words) == [
        "absent",
        "already_issued",
        "deferred",
        "dormant",
        "erased",
        "feed",
        "forbidden",
        "found",
        "granted",
        "issued",
        "key_expiry",
        "key_refused",
        "key_works",
        "missing",
        "page",
        "refused",
        "revoked",
        "rotated",
        "template_active",
        "template_unavailable",
        "throttled",
        "unsaid",
        "unsupported",
        "withheld",
    ]
