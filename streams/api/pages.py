"""What the worker's own pages say of it: whether it can answer, and how old its answers are."""

from typing import Any

from streams import metrics
from streams.api.view import View
from streams.runtime.pages import Verdict

DEFAULT_HTTP = "127.0.0.1:8060"  # decision 0011


class AboutView:
    """A worker that answers, as its pages see it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def live(self) -> Verdict:
        """Always: what it knows it can tell, and if following ends the process does."""
        return {"ok": True, "why": "it answers with what it knows"}

    def ready(self) -> Verdict:
        """True once all that was committed has been known for the first time, with a catalog."""
        if why := self._view.not_ready:
            return {"ok": False, "why": why, "lag_seconds": None}
        lag = round(self._view.lag or 0.0, 1)
        trouble = self._view.following.trouble
        why = f"answers are {lag:.1f} s old"
        return {"ok": True, "why": f"{why}, the topics cannot be read: {trouble}" if trouble else why} | {
            "lag_seconds": lag
        }

    def measure(self) -> None:
        """Set how old the answers are."""
        metrics.API_AS_OF.set(self._view.following.as_of or 0)

    def describe(self) -> dict[str, Any]:
        """How much there is, and by which catalog."""
        learners, badges = self._view.questions.totals()
        return {
            "learners": learners,
            "badges_at_issuers": badges,
            "catalog": self._view.catalogs.describe(),
        }
