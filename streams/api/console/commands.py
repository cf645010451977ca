"""The commands that do what the console shows, as a shell takes them."""

import shlex

NAME = "badge-streams"
WHY = "WHY"
"""What whoever copies the command puts in its place."""


def award(template: str, learner: int | None = None) -> str:
    """Awards a badge to a learner; without one, to those of a file."""
    return _about("award", template, learner)


def revoke(template: str, learner: int | None = None) -> str:
    """Revokes it."""
    return _about("revoke", template, learner)


def reissue(learner: int, template: str | None = None) -> str:
    """Has badges said again."""
    return _line("reissue", "--learner", learner, *(("--template", template) if template else ()))


def explain(learner: int) -> str:
    """Says why, in full."""
    return _line("explain", "--learner", learner)


def forget(learner: int) -> str:
    """Deletes what is known of a learner."""
    return _line("forget", "--learner", learner)


def redrive(*ids: str) -> str:
    """Sends these letters again."""
    return _line("dead-letters", "redrive", *ids)


def redrive_all(reason: str = "", since: str = "", until: str = "") -> str:
    """Sends again what a filter takes; all, where it restricts nothing."""
    return _line("dead-letters", "redrive", *(_options(reason, since, until) or ["--all"]))


def list_letters(reason: str = "", since: str = "", until: str = "") -> str:
    """Lists all that a filter takes."""
    return _line("dead-letters", "list", *_options(reason, since, until))


def show_letter(id: str) -> str:
    """Shows one letter."""
    return _line("dead-letters", "show", id)


def publish() -> str:
    """Puts a catalog in force."""
    return _line("catalog", "publish", "catalog.yaml")


def show_catalog(revision: str) -> str:
    """Prints a catalog that was published."""
    return _line("catalog", "show", revision)


def reconcile(organization: str) -> str:
    """Compares what an issuer holds with what it should."""
    return _line("reconcile", "--organization", organization)


def catch_up(template: str) -> str:
    """Gives the past to a template."""
    return _line("catch-up", "--template", template)


def _options(reason: str, since: str, until: str) -> list[str]:
    # With `=`: a reason comes from a record, and may look like an option.
    given = {"--reason": reason, "--since": since, "--until": until}
    return [f"{name}={value}" for name, value in given.items() if value]


def _about(verb: str, template: str, learner: int | None) -> str:
    who = ("--csv", "learners.csv") if learner is None else ("--learner", learner)
    return _line(verb, "--template", template, *who, "--reason", WHY)


def _line(*parts: object) -> str:
    return shlex.join([NAME, *map(str, parts)])
