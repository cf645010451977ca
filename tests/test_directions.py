"""Who may import whom, and where a test lies. A new room needs a row in `MAY_IMPORT`.

Every import counts: also one in a function, also one for the type checker alone.
"""

import ast
import sys
from collections.abc import Collection, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
GROUND = {"errors", "headers", "settings", "setting_types", "metrics", "logs", "clock", "faust_app"}
CORE = GROUND | {"badges"}
WORKERS_USE = CORE | {"bus", "kafka", "catalog", "runtime"}
MAY_IMPORT: Mapping[str, set[str]] = {
    "": set(),
    "badges": set(),
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(("bus", "kafka", "issuers"), CORE),
    "catalog": CORE | {"bus", "kafka"},
    "runtime": CORE | {"kafka"},
    "tracker": WORKERS_USE,
    "relay": WORKERS_USE | {"issuers"},
    "bridge": WORKERS_USE,
    "supervisor": GROUND | {"runtime"},
    "operate": WORKERS_USE | {"issuers", "tracker", "relay", "bridge"},
    "api": WORKERS_USE | {"issuers", "tracker", "relay", "operate"},
    "sandbox": WORKERS_USE | {"issuers", "tracker", "relay", "bridge", "supervisor", "operate", "api"},
    "cli": WORKERS_USE | {"issuers", "tracker", "relay", "bridge", "supervisor", "operate", "api", "sandbox"},
}
# The top of each worker: what starts it imports it, and nothing else does.
AGENTS = {"streams.tracker.agents", "streams.relay.agents", "streams.bridge.agents"}
STARTS_A_WORKER = {"streams.cli.workers", "streams.tracker", "streams.relay", "streams.bridge"}

# Folders of tests that are of the whole product, or of what lies outside `streams/`.
NO_MIRROR = {"whole", "faults", "bench", "chart", "contract", "openedx", "tutor"}
# Rooms whose tests are in the folder of what they call: a command's are in `operate`.
TESTED_ELSEWHERE = {"cli"}


@cache
def imports() -> dict[str, set[str]]:
    """What each of our modules imports; a part of a module of ours counts as that module."""
    files = ROOT.joinpath("streams").rglob("*.py")
    ours = {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}
    trees = {name: ast.walk(ast.parse(file.read_text())) for name, file in ours.items()}
    return {name: {m for node in tree for m in imported(node, ours)} for name, tree in trees.items()}


def imported(node: ast.AST, ours: Collection[str]) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module), level=0):
            whole = [f"{module}.{alias.name}" for alias in node.names]
            return [name if name in ours else module for name in whole]
        case ast.ImportFrom():
            raise AssertionError("write the import in full, so that its room can be read")
    return []


def room(module: str) -> str:
    return module.split(".")[1] if module.startswith("streams.") else ""


def test_a_module_imports_only_from_rooms_below_its_own() -> None:
    upwards = {
        (name, module)
        for name, found in imports().items()
        for module in found
        if module.startswith("streams") and room(module) not in MAY_IMPORT[room(name)] | {room(name)}
    }
    assert upwards == set()


def test_the_core_uses_the_standard_library_alone() -> None:
    outside = {
        (name, module)
        for name, found in imports().items()
        if room(name) == "badges"
        for module in found
        if not module.startswith("streams.badges") and module.split(".")[0] not in sys.stdlib_module_names
    }
    assert outside == set()


def test_only_what_starts_a_worker_imports_its_agents() -> None:
    assert {name for name, found in imports().items() if found & AGENTS} == STARTS_A_WORKER


def test_no_modules_import_each_other_in_a_circle() -> None:
    ours = imports()
    graph = {name: {module for module in found if module in ours} for name, found in ours.items()}
    TopologicalSorter(graph).prepare()


def test_each_folder_of_tests_has_the_name_of_the_room_that_it_tests() -> None:
    folders = {file.parent.name for file in ROOT.glob("tests/*/__init__.py")}
    rooms = {file.parent.name for file in ROOT.glob("streams/*/__init__.py")}
    assert folders == rooms - TESTED_ELSEWHERE | NO_MIRROR
