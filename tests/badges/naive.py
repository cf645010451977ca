"""The contract written a second time, as simply as possible: every template is judged by every word of the
page.

It shares nothing with the product: it reads catalogs as they are in the file and activities as JSON lines,
and knows neither index nor stored progress. What it keeps of a learner, it keeps whole.
"""

import copy
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

Json = dict[str, Any]
BADGE = "org.openedx.learning.badge.awarded.v1"
SPARE = 100
"""How many more than `count` are remembered."""


def decisions(catalog: Json, lines: list[Json], spare: int = SPARE) -> list[Json]:
    """What `simulate` must print for these lines."""
    learners: dict[int, _Learner] = {}
    made: list[Json] = []
    for line in lines:
        if "catalog" in line:
            catalog = line["catalog"]
            continue
        number = line["learner"] if "order" in line else _learner(line)
        learner = learners.setdefault(number, _Learner(number, spare))
        made += learner.takes(catalog, line)
    return made


def _learner(line: Json) -> int:
    data = line["data"]
    learner: int = data["user_id"] if "user_id" in data else data.get("student_user", data.get("user"))["id"]
    return learner


class _Learner:
    """All that is known of one learner, by template and requirement."""

    def __init__(self, number: int, spare: int) -> None:
        self.number = number
        self.spare = spare
        self.places: dict[tuple[str, int], tuple[int, int]] = {}
        self.ids: list[str] = []
        self.requirements: dict[tuple[str, str], Json] = {}
        self.badges: dict[str, Json] = {}
        self.arrivals = 0

    def takes(self, catalog: Json, line: Json) -> list[Json]:
        """Judge what a line says."""
        active = [t for t in catalog["templates"] if t.get("active", True)]
        if line.get("order") == "import":
            if line["id"] not in self.ids[-16:] and self._import(line):
                self.ids.append(line["id"])
            return []
        if "order" in line:
            if line["template"] not in [t["id"] for t in active] or line["id"] in self.ids[-16:]:
                return []
            self.ids.append(line["id"])
            return self._judge(active, line, [])
        named = line.get("catch_up", False)
        seeing = active if named in (False, True) else [t for t in active if t["id"] in named]
        seeing = [t for t in seeing if any(_matches(c, line) for c in _conditions(t))]
        if not seeing:
            return []
        if not named:
            source = line["source"]
            partition, place = (source["topic"], source["partition"]), (source["epoch"], source["offset"])
            if partition in self.places and self.places[partition] >= place:
                return []
            self.places[partition] = place
            if line["id"] in self.ids[-16:]:
                return []
            self.ids.append(line["id"])
        return self._judge(active, line, [t["id"] for t in seeing])

    def _import(self, line: Json) -> bool:
        """Take along what is not known; returns whether anything was."""
        took = False
        for id, brought in line["templates"].items():
            held = "awarded" in brought and "revoked" not in brought
            for name in (*brought.get("fulfilled", []), *brought.get("reset", [])):
                known = self._known({"id": id}, {"id": name})
                if known["floor"] or known["fulfilled"] or known["values"] or known["others"]:
                    continue
                if name in brought.get("fulfilled", []):
                    at = _time(brought["awarded"] if held else line["time"])
                    known["fulfilled"] = {"moment": at, "counted": [line["id"]], "live": False}
                    known["others"] = [at]
                elif "revoked" in brought:
                    known["floor"] = _time(brought["revoked"])
                took |= bool(known["fulfilled"] or known["floor"])
            if "awarded" in brought and id not in self.badges:
                award = {"generation": 1, "time": brought["awarded"]}
                award["decision"] = str(uuid5(uuid5(UUID(id), str(self.number)), "awarded:1"))
                self.badges[id] = {"award": award, "revoked": not held, "taken": not held, "ordered": False}
                self.badges[id]["imported"] = took = True
        return took

    def _judge(self, active: list[Json], line: Json, seeing: list[str]) -> list[Json]:
        now = _time(line["time"])
        before = copy.deepcopy(self)
        made: list[Json] = []
        for template in _in_order(active):
            decision = self._template(active, template, line, now, template["id"] in seeing, before)
            if decision is not None:
                self._remember(template, decision, "order" in line and template["id"] == line["template"])
                made.append(decision)
        return made

    def _remember(self, template: Json, decision: Json, ordered: bool) -> None:
        if decision["kind"] == "awarded":
            self.badges[template["id"]] = {"award": decision, "revoked": False, "ordered": ordered}
        else:
            self.badges[template["id"]] |= {"revoked": True, "taken": ordered}

    def _template(
        self, active: list[Json], template: Json, line: Json, now: datetime, sees: bool, before: "_Learner"
    ) -> Json | None:
        badge = self.badges.get(template["id"])
        held = self._holds(active, template["id"], now)
        if line.get("order") and line["template"] == template["id"]:
            return self._ordered(template, line, now, held)
        expired = badge is not None and not badge["revoked"] and not held
        if (expired or (badge is not None and badge["revoked"] and badge["taken"])) and not sees:
            return None
        if expired:
            end = self._end(active, template["id"])
            assert end is not None
            for requirement in _own(template):
                self._reset(template, requirement, end)
        if sees:
            self._apply(active, template, line, now)
        complete = self._complete(active, template, now)
        if complete and not held:
            return self._say("awarded", template, self._reasons(active, template, now), line)
        was = before._complete(active, template, now)
        if badge is not None and badge.get("imported"):
            then, since = before._groups(active, template, now), self._groups(active, template, now)
            was = any(then[name] and not since[name] for name in then)
        if was and not complete and held and template.get("revocable", True):
            assert badge is not None
            return None if badge["ordered"] else self._say("revoked", template, [line["id"]], line)
        return None

    def _ordered(self, template: Json, line: Json, now: datetime, held: bool) -> Json | None:
        if line["order"] == "award":
            return None if held else self._say("awarded", template, [line["id"]], line)
        for requirement in _own(template):
            self._reset(template, requirement, now)
        return self._say("revoked", template, [line["id"]], line) if held else None

    def _say(self, kind: str, template: Json, because: list[str], line: Json) -> Json:
        badge = uuid5(UUID(template["id"]), str(self.number))
        last = self.badges.get(template["id"])
        generation = 0 if last is None else last["award"]["generation"]
        generation += kind == "awarded"
        return {
            "kind": kind,
            "template": template["id"],
            "learner": self.number,
            "generation": generation,
            "badge": str(badge),
            "decision": str(uuid5(badge, f"{kind}:{generation}")),
            "time": _time(line["time"]).isoformat(),
            "activity": line["id"],
            "because": because,
        }

    # Badges.

    def _end(self, active: list[Json], id: str) -> datetime | None:
        (template, *_) = [t for t in active if t["id"] == id] or [{}]
        if not template.get("renewable"):
            return None
        start = _time(self.badges[id]["award"]["time"])
        number, unit = int(template["expires_after"][1:-1]), template["expires_after"][-1]
        if unit == "D":
            return start + timedelta(days=number)
        months = start.month - 1 + number * (12 if unit == "Y" else 1)
        year, month = start.year + months // 12, months % 12 + 1
        for day in range(start.day, 0, -1):
            try:
                return start.replace(year=year, month=month, day=day)
            except ValueError:
                continue
        return None

    def _holds(self, active: list[Json], id: str, now: datetime) -> bool:
        badge = self.badges.get(id)
        if badge is None or badge["revoked"]:
            return False
        end = self._end(active, id)
        return end is None or now < end

    # Completeness.

    def _complete(self, active: list[Json], template: Json, now: datetime) -> bool:
        return all(self._groups(active, template, now).values())

    def _groups(self, active: list[Json], template: Json, now: datetime) -> dict[Any, bool]:
        """By group whether it is fulfilled."""
        groups: dict[Any, list[bool]] = {}
        for requirement in template["requirements"]:
            name = requirement.get("group") or ("alone", requirement["id"])
            groups.setdefault(name, []).append(self._moment(active, template, requirement, now) is not None)
        wanted = template.get("groups", {})
        return {
            name: sum(done) >= (wanted.get(name, {}).get("at_least", 1) if isinstance(name, str) else 1)
            for name, done in groups.items()
        }

    def _moment(
        self, active: list[Json], template: Json, requirement: Json, now: datetime
    ) -> datetime | None:
        """When the requirement was fulfilled, if it is."""
        if requirement.get("event_type") == BADGE:
            other = requirement["rules"][0]["value"]
            return _time(self.badges[other]["award"]["time"]) if self._holds(active, other, now) else None
        known = self._known(template, requirement)
        moment: datetime | None = known["fulfilled"] and known["fulfilled"]["moment"]
        return moment

    def _reasons(self, active: list[Json], template: Json, now: datetime) -> list[str]:
        ids: list[str] = []
        for requirement in template["requirements"]:
            if self._moment(active, template, requirement, now) is None:
                continue
            if requirement.get("event_type") == BADGE:
                ids.append(self.badges[requirement["rules"][0]["value"]]["award"]["decision"])
            else:
                ids += self._known(template, requirement)["fulfilled"]["counted"]
        return list(dict.fromkeys(ids))

    # Requirements and penalties.

    def _known(self, template: Json, requirement: Json) -> Json:
        nothing: Json = {"floor": None, "fulfilled": None, "by": None, "values": {}, "others": []}
        return self.requirements.setdefault((template["id"], requirement["id"]), nothing)

    def _apply(self, active: list[Json], template: Json, line: Json, now: datetime) -> None:
        withdrawn = {id for p in template.get("penalties", []) for id in p.get("withdraws", [])}
        for requirement in _after_another(_own(template)):
            if _matches(requirement, line) and self._on_time(active, template, requirement, now):
                self._match(template, requirement, line, now, requirement["id"] in withdrawn)
        for penalty in template.get("penalties", []):
            if _matches(penalty, line):
                for name, takes in (("withdraws", self._withdraw), ("resets", self._reset_by)):
                    for id in penalty.get(name, []):
                        (requirement,) = [r for r in template["requirements"] if r["id"] == id]
                        takes(template, requirement, line, now)

    def _on_time(self, active: list[Json], template: Json, requirement: Json, now: datetime) -> bool:
        if "after" not in requirement:
            return True
        (other,) = [r for r in template["requirements"] if r["id"] == requirement["after"]]
        moment = self._moment(active, template, other, now)
        if moment is None or now < moment:
            return False
        return "no_later_than" not in requirement or now <= moment + _days(requirement["no_later_than"])

    def _match(self, template: Json, requirement: Json, line: Json, now: datetime, goes_on: bool) -> None:
        known = self._known(template, requirement)
        value = _value(requirement, line)
        if value is None or (known["floor"] is not None and now < known["floor"]):
            return
        self._count_anew_if_changed(known, requirement)
        entry = known["values"].get(value, {"matches": [], "withdrawn": None})
        if entry["withdrawn"] is not None and now < entry["withdrawn"][0]:
            return
        if known["fulfilled"] and not (known["fulfilled"]["live"] and goes_on):
            known["others"].append(now)
            return
        self.arrivals += 1
        known["values"].setdefault(value, entry)
        times = [time for time, _, _ in entry["matches"]]
        if not times or now < min(times) or now > max(times):
            entry["matches"] = _ends([*entry["matches"], (now, self.arrivals, line["id"])])
        self._forget(known, requirement)
        if not known["fulfilled"] and (counted := _counted(known, requirement)) is not None:
            known["fulfilled"] = {"moment": now, "counted": counted, "live": goes_on}
            if not goes_on:
                for each in known["values"].values():
                    known["others"] += [time for time, _, _ in each["matches"]]
                    each["matches"] = []
                known["values"] = {k: e for k, e in known["values"].items() if e["withdrawn"]}

    def _count_anew_if_changed(self, known: Json, requirement: Json) -> None:
        if known["by"] != requirement.get("distinct"):
            for entry in known["values"].values():
                known["others"] += [time for time, _, _ in entry["matches"]]
            known["values"], known["by"] = {}, requirement.get("distinct")

    def _forget(self, known: Json, requirement: Json) -> None:
        while len(known["values"]) > requirement.get("count", 1) + self.spare:

            def stands(key: Any) -> tuple[datetime, int]:
                entry = known["values"][key]
                time, arrived, *_ = _standing(entry, requirement) or entry["withdrawn"]
                return time, arrived

            gone = known["values"].pop(min(known["values"], key=stands))
            known["others"] += [time for time, _, _ in gone["matches"]]

    def _reset_by(self, template: Json, requirement: Json, line: Json, now: datetime) -> None:
        self._reset(template, requirement, now)

    def _reset(self, template: Json, requirement: Json, time: datetime) -> None:
        known = self._known(template, requirement)
        known["floor"] = time if known["floor"] is None else max(known["floor"], time)
        matched = known["others"] + [t for e in known["values"].values() for t, _, _ in e["matches"]]
        if known["fulfilled"] and max(matched) > time:
            return
        known["fulfilled"] = None
        known["others"] = [t for t in known["others"] if t > time]
        for entry in known["values"].values():
            _cut(entry, time)
            if entry["withdrawn"] is not None and entry["withdrawn"][0] <= time:
                entry["withdrawn"] = None
        known["values"] = {k: e for k, e in known["values"].items() if e["matches"] or e["withdrawn"]}

    def _withdraw(self, template: Json, requirement: Json, line: Json, now: datetime) -> None:
        known = self._known(template, requirement)
        value = _value(requirement, line)
        if value is None:
            return
        self._count_anew_if_changed(known, requirement)
        entry = known["values"].setdefault(value, {"matches": [], "withdrawn": None})
        took = _cut(entry, now)
        if entry["withdrawn"] is None or entry["withdrawn"][0] < now:
            self.arrivals += 1
            entry["withdrawn"] = (now, self.arrivals)
        self._forget(known, requirement)
        if took and known["fulfilled"]:
            counted = _counted(known, requirement)
            if counted is None:
                known["fulfilled"] = None
            else:
                known["fulfilled"]["counted"] = counted


Match = tuple[datetime, int, str]
"""A match's time, arrival and id."""


def _ends(matches: list[Match]) -> list[Match]:
    """The earliest and the newest."""
    matches = sorted(matches)
    return matches if len(matches) < 3 else [matches[0], matches[-1]]


def _cut(entry: Json, time: datetime) -> bool:
    """Take away what was matched until then; returns whether anything was."""
    before = entry["matches"]
    entry["matches"] = [match for match in before if match[0] > time]
    return len(entry["matches"]) < len(before)


def _standing(entry: Json, requirement: Json) -> Match | None:
    if not entry["matches"]:
        return None
    stands: Match = sorted(entry["matches"])[-1 if requirement.get("repeats") == "newest" else 0]
    return stands


def _counted(known: Json, requirement: Json) -> list[str] | None:
    """The ids of what counts, if it is enough."""
    standing = [s for entry in known["values"].values() if (s := _standing(entry, requirement))]
    count = requirement.get("count", 1)
    windows = [standing]
    if "within" in requirement:
        begins = sorted(time for time, _, _ in standing)
        length = _days(requirement["within"])
        windows = [[m for m in standing if begin <= m[0] <= begin + length] for begin in begins]
    for window in windows:
        if len(window) >= count:
            return [id for _, _, id in sorted(window, key=lambda match: match[1])]
    return None


def _value(requirement: Json, line: Json) -> Any:
    """What tells a match apart: the activity's id, or what is at the `distinct` path; None if nothing is."""
    if "distinct" not in requirement:
        return ("id", line["id"])
    where = requirement["distinct"]
    path, part = (where, None) if isinstance(where, str) else (where["path"], where.get("part"))
    found = _part(_find(line["data"], path), part)
    return None if found is None else (type(found) is bool, found)


def _conditions(template: Json) -> list[Json]:
    return [*_own(template), *template.get("penalties", [])]


def _own(template: Json) -> list[Json]:
    """The requirements that activities fulfil."""
    return [r for r in template["requirements"] if r.get("event_type") != BADGE]


def _after_another(requirements: list[Json]) -> list[Json]:
    """Each after the one that its `after` names."""
    ordered: list[Json] = []
    while len(ordered) < len(requirements):
        waiting = [r for r in requirements if r not in ordered]
        ordered.append(next(r for r in waiting if r.get("after") not in [w["id"] for w in waiting]))
    return ordered


def _in_order(active: list[Json]) -> list[Json]:
    waiting = list(active)
    order: list[Json] = []
    while waiting:
        left = {t["id"] for t in waiting}
        ready = [t for t in waiting if not left & set(_badges(t))]
        first = min(ready, key=lambda t: t["id"])
        order.append(first)
        waiting.remove(first)
    return order


def _badges(template: Json) -> list[str]:
    return [r["rules"][0]["value"] for r in template["requirements"] if r.get("event_type") == BADGE]


def _days(duration: str) -> timedelta:
    return timedelta(days=int(duration.removeprefix("P").removesuffix("D")))


def _matches(condition: Json, line: Json) -> bool:
    if line["type"] not in condition.get("event_types", [condition.get("event_type")]):
        return False
    time = _time(line["time"])
    if "since" in condition and time < _time(condition["since"]):
        return False
    if "until" in condition and time >= _time(condition["until"]):
        return False
    return all(
        _holds(
            rule["operator"], rule.get("value"), _part(_find(line["data"], rule["path"]), rule.get("part"))
        )
        for rule in condition.get("rules", [])
    )


def _find(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _part(found: Any, part: str | None) -> Any:
    if part is None or not isinstance(found, str):
        return found if part is None else None
    namespace, colon, rest = found.partition(":")
    if colon and namespace and not namespace.strip("abcdefghijklmnopqrstuvwxyz0123456789-"):
        org, course, run, *_ = [*rest.split("+", 3), "", "", ""]
        if org and course and run and "/" not in org + course + run:
            return {"org": org, "course": f"{org}+{course}", "run": run}[part]
    parts = found.split("/")
    if len(parts) == 3 and all(parts) and "+" not in found:
        return {"org": parts[0], "course": "/".join(parts[:2]), "run": parts[2]}[part]
    return None


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
        case "starts_with":
            return isinstance(found, str) and found[: len(value)] == value
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
