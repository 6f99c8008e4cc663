"""The import direction of the design, and that importing ctxasr stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ctxasr"

ROOMS = {
    # room: its place from the left; a room imports only from lower places, or from itself
    "charset": 0,
    "documents": 0,
    "wire": 0,
    "errors": 0,
    "timing": 0,
    "urls": 0,
    "words": 0,
    "dynamic_entities": 0,
    "hypotheses": 0,
    "envelopes": 0,
    "status": 0,
    "events": 0,
    "dictionary": 0,
    "english": 0,
    "ports": 1,
    "record": 2,
    "followups": 2,
    "trigger": 2,
    "payloads": 2,
    "context": 2,
    "bias": 2,
    "candidates": 2,
    "evidence": 2,
    "weights": 2,
    "hints": 2,
    "rescore": 2,
    "spelling": 2,
    "speeches": 2,
    "windows": 2,
    "forget": 2,
    "pipeline": 3,
    "answer": 3,
    "encoder": 4,
    "retrieval": 4,
    "speech": 4,
    "store": 4,
    "sim": 4,
    "settings": 4,
    "app": 5,
    "gateway": 6,
    "evaluate": 6,
    "report": 6,
    "scenario": 7,
    "rescorer": 8,
    "cli": 9,
    "lambdas": 9,
    "__main__": 10,
    "__init__": 10,
}
SAME_PLACE = {0, 2, 3}
"""Places whose rooms may import one another; a circle among them is caught below."""

SIM_NEVER = {"torch", "aioboto3", "aiohttp"}
STAGES_NEVER = {
    "torch", "aioboto3", "aiobotocore", "botocore", "boto3", "moto", "pocketsphinx", "soundfile",
    "soxr", "scipy", "cryptography", "rich", "typer", "ruamel",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported module by its full name, also those imported late, inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            module = node.module or ""
            yield module, node.lineno
            if module == "ctxasr":  # from ctxasr import app
                yield from ((f"ctxasr.{alias.name}", node.lineno) for alias in node.names)


def rooms_imported(path: Path) -> Iterator[tuple[str, int]]:
    for module, line in imports_of(path):
        parts = module.split(".")
        if parts[0] == "ctxasr" and len(parts) > 1 and not parts[1].startswith("__version"):
            yield parts[1], line


def test_every_room_has_its_place() -> None:
    rooms = {room_of(path) for path in modules()} - {"__init__"}
    assert rooms <= set(ROOMS), "a new room needs a place in ROOMS and in the design"


def test_rooms_import_from_the_left_only() -> None:
    wrong = []
    for path in modules():
        room = room_of(path)
        for other, line in rooms_imported(path):
            here, there = ROOMS.get(room, -1), ROOMS[other]
            neighbours = here == there and here in SAME_PLACE
            if not (there < here or other == room or neighbours):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {other}")
    assert wrong == []


def test_rooms_of_one_place_form_no_circle() -> None:
    graph = {
        room_of(path): {other for other, _ in rooms_imported(path)}
        for path in modules()
        if path.parent == PACKAGE
    }
    done: set[str] = set()
    while left := {room for room in graph if room not in done}:
        free = {room for room in left if not (graph[room] & left) - {room}}
        assert free, f"a circle among {sorted(left)}"
        done |= free


def test_stages_load_no_adapter_and_sim_no_heavy_part() -> None:
    for path in modules():
        room = room_of(path)
        never = SIM_NEVER if room == "sim" else STAGES_NEVER if ROOMS.get(room, 9) < 4 else set()
        for module, line in imports_of(path):
            assert module.split(".")[0] not in never, f"{path.name}:{line} imports {module}"


HEAVY = ("torch", "pocketsphinx", "moto", "aioboto3", "scipy")


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("ctxasr", (*HEAVY, "numpy", "pydantic")),
        ("ctxasr.cli", HEAVY),
        ("ctxasr.answer", HEAVY),
        ("ctxasr.app", HEAVY),
        ("ctxasr.pipeline", (*HEAVY, "numpy")),  # what the recording Lambda needs, with the next
        ("ctxasr.lambdas", ("torch", "pocketsphinx", "moto", "scipy", "numpy")),
        ("ctxasr.store.dynamodb", ("torch", "pocketsphinx", "moto", "scipy", "numpy")),
        ("ctxasr.scenario.plugin", (*HEAVY, "numpy")),  # every pytest run loads it
    ],
)
def test_importing_stays_cheap(module: str, never: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([m for m in {never!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert found.strip() == "[]"
