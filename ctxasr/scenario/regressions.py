"""Writes what the simulator shrank as a simulated scenario: a regression, run by replay and pytest.

    path = write(shrink(plan, fails), run.violations, Path("scenarios/regressions"))

The same plan, violations and command give the same text under the same name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ctxasr.errors import InputError, ScenarioError
from ctxasr.report.output import write_new
from ctxasr.scenario.format import SUFFIX, read_any
from ctxasr.scenario.planned import FOUND_CHARS_MAX, SimulatedScenario
from ctxasr.scenario.schema import SCHEMA_FILE
from ctxasr.scenario.values import SCHEMA_VERSION
from ctxasr.sim.judging.watch import Violation
from ctxasr.sim.plans.plan import Plan
from ctxasr.sim.runs import Setting

HASH_DIGITS: Final = 8
"""Hex digits of a plan's hash in its file's name."""

_NAMES: Final = ("event", "kind", "operation")
"""Fields whose texts are words of the format."""

_HEADER: Final = f"""\
# yaml-language-server: $schema=../{SCHEMA_FILE}
#
# Found by the simulator and shrunk by deletion. What happens and what goes wrong is under `plan`;
# the rest follows from its seed. No invariant may break; `found` says which one did.
"""


def write(
    plan: Plan,
    violations: Sequence[Violation],
    folder: Path,
    *,
    setting: Setting | None = None,
    about: str = "",
    found_by: str = "",
) -> Path:
    """Write a failing plan into `folder`, whole or not at all; returns its file.

    `found_by` is the command that found it, with its seed. A file that holds the same plan and
    setting stays, whatever found it.

    Raises:
        InputError: as `as_yaml`, or there is another file of this name.
        OSError: it cannot be written.
    """
    text = as_yaml(plan, violations, setting=setting, about=about, found_by=found_by)
    path = folder / f"{name_of(plan, violations)}{SUFFIX}"
    if not (path.is_file() and _holds(path, plan, setting)):
        write_new(path, text)
    return path


def name_of(plan: Plan, violations: Sequence[Violation]) -> str:
    """By the first invariant, the seed, and a hash of the plan."""
    digest = hashlib.sha256("\n".join(lines_of(plan)).encode()).hexdigest()[:HASH_DIGITS]
    return f"invariant_{_first(violations).invariant:02d}_seed_{plan.seed}_{digest}"


def as_yaml(
    plan: Plan,
    violations: Sequence[Violation],
    *,
    setting: Setting | None = None,
    about: str = "",
    found_by: str = "",
) -> str:
    """The text of the file. Read again it is the same plan under the same setting.

    Raises:
        InputError: there is no violation, or the format cannot hold the plan (it has more than
            PLAN_LINES_MAX lines) or the setting (other latencies, a what-if).
    """
    first = _first(violations)
    what = _line(f"{first.turn}: {first.what}" if first.turn else first.what)
    found: dict[str, Any] = {"invariant": first.invariant, "what": what}
    if found_by:
        found["by"] = _line(found_by)
    lines = [_HEADER.rstrip("\n"), f"schema: {SCHEMA_VERSION}"]
    lines += [f"about: {_value('about', _line(about))}"] if about else []
    lines += _block("found", found) + _block("settings", _settings(setting)) + lines_of(plan)
    text = "\n".join(lines) + "\n"
    _hold(text, plan, setting)
    return text


def _first(violations: Sequence[Violation]) -> Violation:
    if not violations:
        raise InputError("a plan that breaks no invariant is no regression")
    return violations[0]


def _hold(text: str, plan: Plan, setting: Setting | None) -> None:
    """What was written must be what is read, in every field."""
    try:
        read = read_any(text)
    except ScenarioError as error:
        raise InputError(f"the scenario format cannot hold this plan: {error}") from None
    if not isinstance(read, SimulatedScenario) or read.to_plan() != plan:
        raise InputError("the scenario format cannot hold this plan: a field differs when read")
    if setting is not None:
        # how much is noted and tried is no part of what happens
        wanted = replace(setting, trace=True, probe=True)
        if read.setting() != wanted:
            raise InputError(
                "the scenario format holds read_budget_ms, grace_ms and fifo; the plan was found "
                "under a setting that differs in more"
            )


def _holds(path: Path, plan: Plan, setting: Setting | None) -> bool:
    try:
        _hold(path.read_text(encoding="utf-8", errors="replace"), plan, setting or Setting())
    except InputError:
        return False
    return True


def _settings(setting: Setting | None) -> dict[str, Any]:
    """What differs from the usual settings, as the format says it."""
    found: dict[str, Any] = {}
    if setting is None:
        return found
    usual = Setting()
    if setting.read_budget_ms != usual.read_budget_ms:
        found["read_budget"] = f"{_number(setting.read_budget_ms)}ms"
    if setting.grace_ms != usual.grace_ms:
        found["grace"] = f"{_number(setting.grace_ms)}ms"
    return found | ({"fifo": True} if setting.fifo else {})


def lines_of(plan: Plan) -> list[str]:
    """The plan as it stands in the file."""
    head = plan.to_dict()
    deliveries, faults = head.pop("deliveries"), head.pop("faults")
    return _block("plan", head) + _flow("deliveries", deliveries) + _flow("faults", faults)


def _block(name: str, fields: Mapping[str, Any]) -> list[str]:
    """A mapping, one line a field; nothing where there are none."""
    lines = [f"  {key}: {_value(key, value)}" for key, value in fields.items()]
    return [f"{name}:", *lines] if lines else []


def _flow(name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A list, one flow mapping a line."""
    if not rows:
        return [f"  {name}: []"]
    shown = [[f"{key}: {_value(key, value)}" for key, value in row.items()] for row in rows]
    return [f"  {name}:", *(f"    - {{{', '.join(fields)}}}" for fields in shown)]


def _value(key: str, value: Any) -> str:
    """A scalar; names stay plain, every other text is quoted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    return str(value) if key in _NAMES else json.dumps(str(value), ensure_ascii=False)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _line(text: str) -> str:
    """One printable line of FOUND_CHARS_MAX characters."""
    one = " ".join(text.splitlines()[:1])
    clean = "".join(char if char.isprintable() else "?" for char in one)
    return clean if len(clean) <= FOUND_CHARS_MAX else f"{clean[: FOUND_CHARS_MAX - 3]}..."
