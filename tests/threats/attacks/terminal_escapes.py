"""Terminal escapes: a text that was only shown takes over the terminal that shows it.

Escape sequences change the window's title, hide lines, or make a terminal type; markup draws a link
that leads elsewhere. In YAML they are written as "\\e", which is plain text until it is printed.

Attacker: sends a scenario, or is a customer whose words turn up in somebody's report.
Holds against it: control characters are not printed, and texts are never read as markup.
"""

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "report/terminal.py",
    'return "".join(char if char.isprintable() else "\\N{REPLACEMENT CHARACTER}" for char in text)',
    "return text",
)
GAINS = "control characters reach the terminal"

ODD = [
    "\x1b]0;owned\x07", "\x1b[2J", "\x1b[8m", "\x9b31m", "\x07", "\r overwritten", "\x08\x08",
    "\u202egnp", "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "\x1bP+q\x1b\\",
]  # fmt: skip
MARKUP = "[red]x[/red] [link=http://x]y[/link] :boom: [/]"


async def attack() -> str:
    from ctxasr.hypotheses import Change
    from ctxasr.report.terminal import scenario_text
    from ctxasr.report.trace import Failure, TurnReport

    given = {name for name in TurnReport.__dataclass_fields__ if name in ("scenario", "file")}
    assert len(given) == 2, "the report's fields"
    for odd in (*ODD, MARKUP):
        report = TurnReport(
            scenario=f"a{odd}", file=f"f{odd}", turn=1, outcome="missed", context="none",
            window_ms=None, context_ms=None, plain_text=f"p {odd}", text=f"t {odd}",
            changes=(Change("b", f"c {odd}", f"d {odd}", f"s{odd}"),),
            reason=f"r {odd}", added_ms=0.0, reference=f"said {odd}",
            failures=(Failure(f"field{odd}", 1, f"e {odd}", f"g {odd}"),), points=(),
        )  # fmt: skip
        shown = scenario_text([report])
        control = sorted({char for char in shown if not char.isprintable() and char != "\n"})
        if control:
            raise Gained(f"{len(control)} control characters reach the terminal")
        if odd == MARKUP and "[red]x[/red]" not in shown.replace("\n", ""):
            raise Gained("a text was read as markup")
    return f"{len(ODD)} sequences are shown as replacement characters"


if __name__ == "__main__":
    carry_out(attack)
