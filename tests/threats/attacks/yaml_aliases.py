"""Malicious YAML, aliases: a file of a kilobyte that means a billion values.

Each line repeats the one before ten times. A reader that follows aliases holds one copy, but
whatever walks over the values, a check or a report, never ends.

Attacker: sends a scenario file.
Holds against it: anchors and aliases are refused.
"""

from typing import Any

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "scenario/source.py",
    "builder = _Builder(file, nesting_max)",
    "return Source(file, YAML(typ='safe', pure=True).load(text), {})",
)

LEVELS = 12
BOMB = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, LEVELS)
)
FILES = [
    BOMB,
    "turns: &t [*t]\n",
    "a: &a {b: *a}\n",
    "base: &b {x: 1}\nturns:\n  - <<: *b\n",
    "- &a x\n- *a\n",
]


def weight(value: Any, known: dict[int, float]) -> float:
    """How many values a walk would meet; each object is weighed once, circles weigh no end."""
    if not isinstance(value, (list, dict)):
        return 1.0
    if id(value) not in known:
        known[id(value)] = float("inf")
        parts = value if isinstance(value, list) else list(value.values())
        known[id(value)] = 1.0 + sum(weight(part, known) for part in parts)
    return known[id(value)]


async def attack() -> str:
    from ctxasr.errors import ScenarioError
    from ctxasr.scenario.source import parse_source

    for text in FILES:
        try:
            source = parse_source(text)
        except ScenarioError as error:
            if not {"aliases", "anchors"} & set(str(error).split()):
                raise
            continue
        raise Gained(f"{len(text)} characters became {weight(source.value, {}):g} values")
    return f"{len(FILES)} files with aliases are refused by name"


if __name__ == "__main__":
    carry_out(attack)
