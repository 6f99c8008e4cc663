"""Malicious YAML, nesting: ten thousand brackets end whatever recurses over the values.

Attacker: sends a scenario file.
Holds against it: nothing that reads it recurses, and nesting has a named limit.
"""

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "scenario/source.py",
    "if len(self.stack) >= self.nesting_max:",
    "if False:",
)
GAINS = "values nested without a limit were read"

DEEP = 500


async def attack() -> str:
    from ctxasr.errors import ScenarioError
    from ctxasr.scenario.source import NESTING_MAX, parse_source

    files = [
        "[" * DEEP + "]" * DEEP,
        "turns: " + "[" * DEEP,
        "{a: " * DEEP + "}" * DEEP,
        "".join(f"{' ' * n}a:\n" for n in range(100)),
        "- " * DEEP + "x",
        "[" * (NESTING_MAX + 1) + "]" * (NESTING_MAX + 1),
    ]
    for text in files:
        try:
            parse_source(text)
        except ScenarioError as error:
            if "NESTING_MAX" not in str(error):
                raise Gained(
                    f"{len(text)} characters were taken in before they were refused"
                ) from None
        except RecursionError:
            raise Gained("the reader ran out of its stack") from None
        else:
            raise Gained("values nested without a limit were read")
    assert parse_source("[" * NESTING_MAX + "]" * NESTING_MAX).value == [[[[[[[[]]]]]]]]
    return f"{len(files)} files nested deeper than the limit are refused by name"


if __name__ == "__main__":
    carry_out(attack)
