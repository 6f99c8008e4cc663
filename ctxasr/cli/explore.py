"""`ctxasr explore`: every interleaving of a small turn's store operations.

As in `ctxasr.cli`, what the command needs is imported inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ctxasr.cli.shared import AsJson, bar, stoppable
from ctxasr.errors import InputError

if TYPE_CHECKING:
    from ctxasr.hypotheses import Phrase
    from ctxasr.ports import Clock, ContextEncoder, Matrix, Vector
    from ctxasr.sim.exploration.search import Exploration
    from ctxasr.sim.exploration.tables import Stores
    from ctxasr.sim.exploration.turn import Setting

FAULTS_MAX: Final = 3
"""Of one kind: three of each already take hours."""


def explore(
    turn: Annotated[
        list[str] | None,
        typer.Option(help="asks, races, fails, discards, mixed or swept; several times. All."),
    ] = None,
    recorders: Annotated[
        int, typer.Option(help="How many handlers run at once; earlier events are recorded before.")
    ] = 3,
    crashes: Annotated[
        int | None, typer.Option(min=0, max=FAULTS_MAX, help="Nodes that die, at any operation.")
    ] = None,
    lost_answers: Annotated[
        int | None,
        typer.Option(min=0, max=FAULTS_MAX, help="Carried out, no answer, and asked once more."),
    ] = None,
    outages: Annotated[
        int | None, typer.Option(min=0, max=FAULTS_MAX, help="The adapter gives up.")
    ] = None,
    deadlines: Annotated[
        int | None, typer.Option(min=0, max=FAULTS_MAX, help="Compute windows that end, any time.")
    ] = None,
    duplicates: Annotated[
        int | None, typer.Option(min=0, max=FAULTS_MAX, help="Events that are delivered twice.")
    ] = None,
    what_if: Annotated[
        str, typer.Option(help="eventual-reads, no-claim or blind-conflict: the design without it.")
    ] = "",
    one_by_one: Annotated[
        bool,
        typer.Option("--one-by-one", help="Also run each interleaving by itself, and compare."),
    ] = False,
    states_max: Annotated[
        int | None, typer.Option(min=1, help="Give up past so many states; that is exit code 1.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every interleaving of the recorders of a small turn, with crashes and lost answers.

    The stages are those that are shipped; the tables are in memory. Without any fault option each
    turn is explored twice: without faults, and with one crash and one lost answer. The exit code
    is 1 if something does not hold, with the shortest interleaving that shows it, or was cut off.

    - `ctxasr explore`
    - `ctxasr explore --turn races --crashes 2 --lost-answers 2`
    - `ctxasr explore --turn asks --what-if eventual-reads`
    """
    from ctxasr.report.exploration import as_document, print_exploration
    from ctxasr.report.output import FAILED, Out, print_json
    from ctxasr.sim.exploration.checks import Faults
    from ctxasr.sim.exploration.one_by_one import replay
    from ctxasr.sim.exploration.search import STATES_MAX, search
    from ctxasr.sim.exploration.small_turns import SMALL_TURNS
    from ctxasr.sim.exploration.tables import WHAT_IFS
    from ctxasr.sim.exploration.turn import EVENTUAL_READS, prepare

    names = turn or list(SMALL_TURNS)
    if unknown := [name for name in names if name not in SMALL_TURNS]:
        raise InputError(f"--turn {unknown[0]}: there is {', '.join(SMALL_TURNS)}")
    if what_if not in {"", EVENTUAL_READS, *WHAT_IFS}:
        raise InputError(f"--what-if {what_if}: there is {EVENTUAL_READS}, {', '.join(WHAT_IFS)}")
    given = (crashes, lost_answers, outages, deadlines, duplicates)
    runs = [Faults(), Faults(crashes=1, lost_answers=1)]
    if any(count is not None for count in given):
        runs = [Faults(*(count or 0 for count in given))]
    encoder, done, ok = _flat_encoder(), 0, True
    with stoppable(lambda: f"{done} explorations were finished"), bar("states") as advance:
        for name in names:
            for faults in runs:
                began_s = perf_counter()
                setting = prepare(
                    SMALL_TURNS[name], _stores, recorders=recorders, faults=faults,
                    what_if=what_if, encoder=encoder,
                )  # fmt: skip
                found = search(setting, states_max=states_max or STATES_MAX, progress=advance)
                steps = replay(setting, found.violation.actions) if found.violation else []
                took_s, singly = perf_counter() - began_s, None
                if one_by_one and found.holds:
                    singly = _run_singly(setting, found, advance)
                    ok &= singly == found.interleavings
                if as_json:
                    print_json(as_document(found, steps, singly))
                else:
                    out = Out()
                    print_exploration(found, took_s, steps, out)
                    if singly is not None:
                        out.print(f"  {singly:,} interleavings were run one by one")
                ok &= found.holds
                done += 1
    if not ok:
        raise typer.Exit(FAILED)


def _run_singly(setting: Setting, found: Exploration, advance: Callable[[int, int], None]) -> int:
    """Run each interleaving by itself; how many there were."""
    from ctxasr.sim.exploration.one_by_one import INTERLEAVINGS_MAX, one_by_one

    if found.interleavings > INTERLEAVINGS_MAX:
        raise InputError(
            f"--one-by-one: {found.turn} has {found.interleavings:,} interleavings, which would "
            f"take too long; at most {INTERLEAVINGS_MAX:,}"
        )
    return sum(
        1 for _ in one_by_one(setting, progress=lambda done: advance(done, found.interleavings))
    )


def _stores(clock: Clock, random_bytes: Callable[[int], bytes]) -> Stores:
    from ctxasr.store.memory import MemoryEventStore, MemoryVault

    return MemoryEventStore(clock), MemoryVault(clock, random_bytes)


def _flat_encoder() -> ContextEncoder:
    """One dimension, always the same: what a context says is of no matter here."""
    import numpy as np

    class Flat:
        dimensions = 1
        model = "flat"

        async def encode(self, turn: Any, past: Matrix) -> Vector:
            return np.ones(1, np.float32)

        async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
            return np.zeros((len(phrases) + 1, 1), np.float32)

    return Flat()
