"""Habits of this codebase that a program can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ctxasr"

LINES_MAX = 400
"""Past this a second idea is hiding in the file."""

MAY_TELL_THE_TIME_OR_DRAW = (
    "app.py",  # the composition root: the system's clock, the process's name
    "cli/",
    "store/",  # adapters: keys and nonces
    "speech/",  # adapters, and seeded training of the grapheme-to-phoneme model
    "gateway/http/",  # an adapter: mints tokens, times requests
    "encoder/",  # an adapter, and seeded training
    "report/",  # measures how long printing and examining take
    "evaluate/",  # seeded bootstrap
    "scenario/draw.py",  # seeded
    "scenario/study.py",  # seeded
)
UNPREDICTABLE_MODULES = {"time", "random", "uuid", "secrets", "datetime"}
UNPREDICTABLE_CALLS = {"os.urandom", "np.random", "numpy.random"}
MAY_PRINT = ("cli/", "report/")


def modules(*but: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(but):
            yield name, ast.parse(path.read_text())


def test_only_adapters_tell_the_time_or_draw() -> None:
    found = []
    for name, tree in modules(*MAY_TELL_THE_TIME_OR_DRAW):
        for node in ast.walk(tree):
            used: set[str] = set()
            if isinstance(node, ast.Import):
                used = {alias.name.split(".")[0] for alias in node.names} & UNPREDICTABLE_MODULES
            elif isinstance(node, ast.ImportFrom):
                used = {(node.module or "").split(".")[0]} & UNPREDICTABLE_MODULES
            elif isinstance(node, ast.Attribute):
                used = {ast.unparse(node)} & UNPREDICTABLE_CALLS
            found += [f"{name}:{getattr(node, 'lineno', 0)} {one}" for one in used]
    assert found == []


def test_only_the_command_line_and_reports_print() -> None:
    for name, tree in modules(*MAY_PRINT):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{name}:{node.lineno}"


def test_no_module_is_too_long() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_no_error_is_passed_over_in_silence() -> None:
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = {"Exception", "BaseException"} & {ast.unparse(node.type or ast.Name(""))}
                assert node.type is not None, f"{name}:{node.lineno} catches everything"
                silent = all(isinstance(one, ast.Pass) for one in node.body)
                assert not (caught and silent), f"{name}:{node.lineno}"


def test_every_limit_explains_itself() -> None:
    """A docstring below it, or below the last of its group, or a comment beside or above it."""
    unexplained = []
    for name, tree in modules():
        lines = (PACKAGE / name).read_text().splitlines()
        for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
            if not (isinstance(node, ast.AnnAssign) and _is_limit(node)):
                continue
            group = tree.body.index(node)
            while _is_final(tree.body[group]) and group + 1 < len(tree.body):
                group += 1
            explained = isinstance(tree.body[group], ast.Expr)
            near = lines[node.lineno - 2 : node.end_lineno]
            if not (explained or any("#" in line for line in near)):
                unexplained.append(f"{name}:{node.lineno} {ast.unparse(node.target)}")
            assert following is not None, f"{name} ends with a constant"
    assert unexplained == [], ", ".join(unexplained)


MIRRORED = {
    "ATTEMPTS_MAX", "BACKOFF_FIRST_S", "BACKOFF_MAX_S", "BATCH_ITEMS_MAX", "CALL_S_MAX",
    "DATA_KEYS_MAX", "DATA_KEY_AGE_MS_MAX", "ITEM_BYTES_MAX", "PAYLOAD_BYTES_MAX",
    "READ_TIMEOUT_S", "TURNS_MAX",
}  # fmt: skip
"""The simulated region has the figures of the store by value, for it must not import it."""

CHANCE = {
    "KEYTERMS_MAX": {"gateway/export/deepgram.py"},  # of one service each
    "RATE_MAX": {"cli/serve.py"},  # requests of a customer; the other counts dialogues
    "TURNS_MAX": {"evaluate/costs/measuring.py"},  # turns of one measurement
    "WEIGHTS_BYTES_MAX": {"encoder/weights.py", "speech/g2p.py"},  # each of its own file
}
"""Two limits that are the same today, and need not be tomorrow."""


def test_a_constant_is_defined_once() -> None:
    """The same name with the same value is the same thing, and stands in one module.

    But for single words ("customer"), which are often alike by chance.
    """
    places: dict[tuple[str, str], set[str]] = {}
    for name, tree in modules():
        for node in tree.body:
            if not isinstance(node, ast.AnnAssign | ast.Assign) or node.value is None:
                continue
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            constant, value = ast.unparse(target), _value_of(node.value)
            if re.fullmatch(r"[A-Z][A-Z0-9_]+", constant) and not value.startswith(("'", '"')):
                places.setdefault((constant, value), set()).add(name)
    doubles = {}
    for (constant, value), found in places.items():
        left = found - CHANCE.get(constant, set())
        rooms = sorted(name.partition("/")[0] for name in left)
        if len(left) > 1 and not (constant in MIRRORED and rooms == ["sim", "store"]):
            doubles[f"{constant} = {value}"] = sorted(left)
    assert doubles == {}
    for constant in MIRRORED:
        mirrored = [
            found for (name, _), found in places.items() if name == constant and len(found) > 1
        ]
        assert mirrored, f"{constant}: the region no longer does as the store"


def _value_of(node: ast.expr) -> str:
    """As it is compared: 50 and 50.0 are the same."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return repr(value)


def _is_final(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Final")


def _is_limit(node: ast.AnnAssign) -> bool:
    name = ast.unparse(node.target)
    return _is_final(node) and not name.startswith("_") and name.endswith(("_MAX", "_MIN"))
