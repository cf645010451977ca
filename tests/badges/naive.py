"""The contract written a second time, as simply as possible: all is recomputed from the whole history.

It shares nothing with the product: it reads catalogs as they are in the file and activities as JSON lines,
keeps no state between activities but their list and the decisions made, and knows neither index nor progress.
"""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

Json = dict[str, Any]
BADGE = "org.openedx.learning.badge.awarded.v1"


def decisions(catalog: Json, lines: list[Json]) -> list[Json]:
    """What `simulate` must print for these lines."""
    made: list[Json] = []
    taken: dict[int, list[tuple[Json, Json]]] = {}
    seen: dict[int, list[Json]] = {}
    for line in lines:
        if "catalog" in line:
            catalog = line["catalog"]
            continue
        learner = _learner(line)
        if not _relevant(catalog, line) or _redelivered(line, seen.setdefault(learner, [])):
            continue
        seen[learner].append(line)
        if _repeated(line, [activity for _, activity in taken.setdefault(learner, [])]):
            continue
        taken[learner].append((catalog, line))
        story = _Story(learner, taken[learner], [d for d in made if d["learner"] == learner])
        made += story.judge()
    return [{key: value for key, value in d.items() if key != "step"} for d in made]


def _learner(line: Json) -> int:
    data = line["data"]
    learner: int = data["user_id"] if "user_id" in data else data.get("student_user", data.get("user"))["id"]
    return learner


def _relevant(catalog: Json, line: Json) -> bool:
    return any(
        _matches(condition, line)
        for template in catalog["templates"]
        if template.get("active", True)
        for condition in [*template["requirements"], *template.get("penalties", [])]
    )


def _redelivered(line: Json, seen: list[Json]) -> bool:
    def partition(each: Json) -> tuple[str, int]:
        return each["source"]["topic"], each["source"]["partition"]

    def place(each: Json) -> tuple[int, int]:
        return each["source"]["epoch"], each["source"]["offset"]

    return any(partition(each) == partition(line) and place(each) >= place(line) for each in seen)


def _repeated(line: Json, taken: list[Json]) -> bool:
    return line["id"] in [each["id"] for each in taken[-16:]]


class _Story:
    """One learner's history up to and with its last step, and the decisions made so far."""

    def __init__(self, learner: int, history: list[tuple[Json, Json]], made: list[Json]) -> None:
        self.learner = learner
        self.history = history
        self.made = list(made)
        self.last = len(history) - 1

    def judge(self) -> list[Json]:
        new = []
        catalog, activity = self.history[self.last]
        before = {t["id"]: self._complete(t, self.last - 1) for t in catalog["templates"]}
        for template in _in_order(catalog):
            decision = self._decision(template, before[template["id"]], activity)
            if decision is not None:
                self.made.append(decision)
                new.append(decision)
        return new

    def _decision(self, template: Json, before: bool, activity: Json) -> Json | None:
        badge = self._last_word(template["id"], self.last)
        held = badge is not None and badge["kind"] == "awarded"
        after = self._complete(template, self.last)
        if after and not held:
            generation = 1 if badge is None else badge["generation"] + 1
            because = list(dict.fromkeys(self._reasons(template)))
            return self._say("awarded", template, generation, because, activity)
        if before and not after and held and template.get("revocable", True):
            assert badge is not None
            return self._say("revoked", template, badge["generation"], [activity["id"]], activity)
        return None

    def _say(self, kind: str, template: Json, generation: int, because: list[str], activity: Json) -> Json:
        badge = uuid5(UUID(template["id"]), str(self.learner))
        return {
            "kind": kind,
            "template": template["id"],
            "learner": self.learner,
            "generation": generation,
            "badge": str(badge),
            "decision": str(uuid5(badge, f"{kind}:{generation}")),
            "time": _time(activity["time"]).isoformat(),
            "activity": activity["id"],
            "because": because,
            "step": self.last,
        }

    def _complete(self, template: Json, step: int) -> bool:
        groups: dict[Any, list[bool]] = {}
        for requirement in template["requirements"]:
            name = requirement.get("group") or ("alone", requirement["id"])
            groups.setdefault(name, []).append(self._fulfilled(template, requirement, step) is not None)
        wanted = template.get("groups", {})
        return all(
            sum(done) >= (wanted.get(name, {}).get("at_least", 1) if isinstance(name, str) else 1)
            for name, done in groups.items()
        )

    def _reasons(self, template: Json) -> list[str]:
        ids: list[str] = []
        for requirement in template["requirements"]:
            fulfilled = self._fulfilled(template, requirement, self.last)
            ids += fulfilled[1] if fulfilled is not None else []
        return ids

    def _fulfilled(
        self, template: Json, requirement: Json, step: int, penalties: bool = True
    ) -> tuple[datetime, list[str]] | None:
        """When and by what the requirement was fulfilled, if it is so after that step."""
        if requirement["event_type"] == BADGE:
            badge = self._last_word(requirement["rules"][0]["value"], step)
            if badge is None or badge["kind"] != "awarded":
                return None
            return _time(badge["time"]), [badge["decision"]]
        fulfilled: tuple[datetime, list[str]] | None = None
        matches: list[tuple[str, datetime, Any]] = []
        distinct: str | None = None
        for index in range(step + 1):
            now, activity = _template(self.history[index][0], template["id"]), self.history[index][1]
            if now is None:
                continue
            for found in now["requirements"]:
                if found["id"] != requirement["id"] or found["event_type"] == BADGE or fulfilled is not None:
                    continue
                if _matches(found, activity) and self._in_order(now, found, activity, index):
                    if found.get("distinct") != distinct:
                        matches, distinct = [], found.get("distinct")
                    matches = _counting(found, matches, activity)
                    if len(matches) >= found.get("count", 1):
                        fulfilled = _time(activity["time"]), [id for id, _, _ in matches]
            for penalty in now.get("penalties", []):
                last = index == step and not penalties
                if requirement["id"] in penalty["resets"] and _matches(penalty, activity) and not last:
                    fulfilled, matches, distinct = None, [], None
        return fulfilled

    def _in_order(self, template: Json, requirement: Json, activity: Json, step: int) -> bool:
        if "after" not in requirement:
            return True
        (other,) = [r for r in template["requirements"] if r["id"] == requirement["after"]]
        moment = self._fulfilled(template, other, step, penalties=False)
        return moment is not None and _time(activity["time"]) >= moment[0]

    def _last_word(self, template: str, step: int) -> Json | None:
        words = [d for d in self.made if d["template"] == template and d["step"] <= step]
        return words[-1] if words else None


def _template(catalog: Json, id: str) -> Json | None:
    found = [t for t in catalog["templates"] if t["id"] == id and t.get("active", True)]
    return found[0] if found else None


def _in_order(catalog: Json) -> list[Json]:
    waiting = [t for t in catalog["templates"] if t.get("active", True)]
    order: list[Json] = []
    while waiting:
        left = {t["id"] for t in waiting}
        ready = [t for t in waiting if not left & set(_badges(t))]
        first = min(ready, key=lambda t: t["id"])
        order.append(first)
        waiting.remove(first)
    return order


def _badges(template: Json) -> list[str]:
    return [r["rules"][0]["value"] for r in template["requirements"] if r["event_type"] == BADGE]


def _counting(
    requirement: Json, matches: list[tuple[str, datetime, Any]], activity: Json
) -> list[tuple[str, datetime, Any]]:
    new = activity["id"], _time(activity["time"]), None
    known = new[0] in [id for id, _, _ in matches]
    if "distinct" in requirement:
        value = _find(activity["data"], requirement["distinct"])
        same = [m for m in matches if m[2] == value]
        if value is not None and not known:
            if not same:
                matches = [*matches, (new[0], new[1], value)]
            elif "within" in requirement and new[1] > same[0][1]:
                matches = [*(m for m in matches if m[2] != value), (new[0], new[1], value)]
    elif not known:
        matches = [*matches, new]
    if "within" in requirement and matches:
        newest = max(time for _, time, _ in matches)
        matches = [m for m in matches if newest - m[1] <= _days(requirement["within"])]
    return matches


def _days(duration: str) -> timedelta:
    return timedelta(days=int(duration.removeprefix("P").removesuffix("D")))


def _matches(condition: Json, line: Json) -> bool:
    if condition["event_type"] != line["type"] or condition["event_type"] == BADGE:
        return False
    time = _time(line["time"])
    if "since" in condition and time < _time(condition["since"]):
        return False
    if "until" in condition and time >= _time(condition["until"]):
        return False
    return all(
        _holds(rule["operator"], rule.get("value"), _find(line["data"], rule["path"]))
        for rule in condition.get("rules", [])
    )


def _find(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _holds(operator: str, value: Any, found: Any) -> bool:
    if operator == "exists":
        return (found is not None) == (True if value is None else value)
    if found is None:
        return False
    match operator:
        case "eq":
            return _same(found, value)
        case "ne":
            return not _same(found, value)
        case "in":
            return any(_same(found, each) for each in value)
        case "not_in":
            return not any(_same(found, each) for each in value)
        case "matches":
            return re.match(f"(?:{value})\\Z", found) is not None
    left, right = _comparable(found, value)
    if left is None:
        return False
    answers = {"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}
    return bool(answers[operator])


def _same(one: Any, other: Any) -> bool:
    kinds = [
        bool if isinstance(each, bool) else str if isinstance(each, str) else float for each in (one, other)
    ]
    return kinds[0] is kinds[1] and bool(one == other)


def _comparable(found: Any, value: Any) -> tuple[Any, Any]:
    if isinstance(value, str):
        try:
            return _time(found), _time(value)
        except ValueError:
            return None, None
    try:
        if set(str(found)) - set("0123456789+-.eE"):
            return None, None
        return Fraction(str(found)), Fraction(str(value))
    except ValueError:
        return None, None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
