"""Malicious YAML, numbers: a digit a hundred thousand times, and durations without an end.

Turning such digits into a number takes time that grows with their square; an infinite duration
never lets a replay end.

Attacker: sends a scenario file.
Holds against it: numbers are read up to 18 digits, longer ones are text, and fields have bounds.
"""

from typing import Any

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "scenario/source.py",
    '_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")',
    '_INTEGER: Final = re.compile(r"[-+]?[0-9]+")',
)
GAINS = "digits were turned into a number"

ODD = [
    "9" * 19, "9" * 4_000, "9" * 100_000, "-" + "9" * 4_000, "1e999", "-1e999", ".inf", ".nan",
    "-.inf", "0x" + "f" * 5_000, "0o777", "1_000_000", "9e99", "1e-999", "0" * 300, "1:30:00",
    "99999999999999999999h", "1e9h", "999999999999999h", "-1ms", "NaN ms", "infs",
]  # fmt: skip
FIELDS = [
    "schema: {}\nturns: [{{user: {{hypotheses: [a]}}}}]\n",
    "schema: 1\nsettings: {{read_budget: {}}}\nturns: [{{user: {{hypotheses: [a]}}}}]\n",
    "schema: 1\nsettings: {{payload_ttl: {}}}\nturns: [{{user: {{hypotheses: [a]}}}}]\n",
    "schema: 1\nturns: [{{user: {{hypotheses: [a]}}, reply: {{text: a, duration: {}}}}}]\n",
    "schema: 1\nturns: [{{user: {{hypotheses: [a]}}, pause: {}}}]\n",
    "schema: 1\nturns: [{{user: {{hypotheses: [{}]}}}}]\n",
]


def endless(value: Any) -> bool:
    """Whether a number stands anywhere in it that no field can mean."""
    if isinstance(value, dict):
        return any(map(endless, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(endless, value))
    if isinstance(value, (int, float)):
        return not -1e300 < value < 1e300 or (isinstance(value, int) and abs(value) >= 10**18)
    return False


async def attack() -> str:
    from ctxasr.errors import ScenarioError
    from ctxasr.scenario.format import read_scenario
    from ctxasr.scenario.source import parse_source

    refused = 0
    for odd in ODD:
        try:
            value = parse_source(f"a: {odd}\n").value["a"]
        except ScenarioError:
            value = None
        except ValueError:
            raise Gained("a number stopped the reader") from None
        if isinstance(value, int) and abs(value) >= 10**18:
            raise Gained(f"{len(odd)} digits were turned into a number")
        for field in FIELDS:
            try:
                scenario = read_scenario(field.format(odd))
            except ScenarioError as error:
                if len(str(error)) > 500:
                    raise Gained("the refusal repeats it all") from None
                refused += 1
                continue
            if endless(scenario.model_dump()):
                raise Gained(f"{odd[:20]} was read as a number without an end")
    assert refused > 50, refused
    return f"{len(ODD)} numbers at {len(FIELDS)} fields: {refused} refused, the others are text"


if __name__ == "__main__":
    carry_out(attack)
