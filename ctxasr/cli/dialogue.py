"""`ctxasr replay` and `recognise`: dialogues, and what becomes of their answers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ctxasr.cli.shared import (
    STANDARD_INPUT,
    AsJson,
    EndpointUrl,
    Recogniser,
    load,
    options,
    piped,
    settings_from,
    stoppable,
)
from ctxasr.timing import SPEED_MAX, SPEED_MIN

if TYPE_CHECKING:
    from ctxasr.report.live import LiveReplay
    from ctxasr.scenario.inputs import Checked
    from ctxasr.scenario.replay import Options
    from ctxasr.speech.audio import LoadedAudio

PACKAGED: Final = Path(__file__).parents[1] / "scenario" / "packaged"
"""The example that comes with the package: what `ctxasr replay` plays without a PATH."""


def replay(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Scenario files or folders; without one the packaged example."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a turn, or plan, on stdout alone.")
    ] = False,
    no_context: Annotated[
        bool, typer.Option("--no-context", help="Compute contexts, but do not use them.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=SPEED_MIN, max=SPEED_MAX, help="How fast compute windows pass.")
    ] = 1.0,
    endpoint_url: EndpointUrl = None,
    recogniser: Recogniser = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only the scenarios that failed, and the summary.")
    ] = False,
) -> None:
    """Replay scenarios end to end and show the time line of each turn.

    Simulated scenarios (`plan` in place of `turns`) are carried out in virtual time and show their
    steps; `--json` prints one object for each of them. The exit code is 0 if every expectation
    and every invariant held, 1 if one failed, 2 for a wrong scenario.

    - `ctxasr replay scenarios/`
    - `ctxasr replay scenarios/regressions/`
    - `ctxasr replay --json scenarios/call_meg.scenario.yaml`
    - `ctxasr replay --recogniser whisper scenarios/`
    - `ctxasr replay --no-context scenarios/call_meg.scenario.yaml`
    """
    from ctxasr.report.live import LiveReplay

    checked = load(paths or [PACKAGED], show_notes=not quiet)
    plan = [(scenario.name, len(scenario.turns)) for scenario in checked.scenarios]
    names = [scenario.name for scenario in checked.simulated]
    live = LiveReplay(plan, names, as_json=as_json, quiet=quiet)
    chosen = options(endpoint_url, recogniser, speed=speed, context=not no_context)
    with stoppable(live.how_far), live:
        if checked.scenarios:  # else nothing needs a server
            asyncio.run(_replay(checked, chosen, live))
        if checked.simulated:
            _carry_out(checked, live)
    live.finish()
    if not live.passed:
        raise typer.Exit(1)


async def _replay(checked: Checked, options: Options, live: LiveReplay) -> None:
    from ctxasr.scenario.replay import replay_all

    # If printing fails, the server and its clients still end in order.
    async with aclosing(replay_all(checked.scenarios, options)) as runs:
        async for run in runs:
            live.take(run.report)


def _carry_out(checked: Checked, live: LiveReplay) -> None:
    from ctxasr.scenario.carry_out import carry_out

    for scenario in checked.simulated:
        live.take_plan(carry_out(scenario))


# ---------------------------------------------------------------- recognise


def recognise(
    audio: Annotated[
        Path, typer.Argument(help="One utterance: FLAC, WAV or OGG; - is standard input.")
    ],
    context: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML or JSON: what was asked, {utterance, reply, entities, screen, slot}.",
        ),
    ] = None,
    as_json: AsJson = False,
    nbest: Annotated[int, typer.Option(min=0, max=50, help="Hypotheses to show.")] = 0,
    raw_hz: Annotated[
        int | None,
        typer.Option(metavar="RATE", help="No header: 16-bit little-endian mono at this rate."),
    ] = None,
    recogniser: Recogniser = None,
) -> None:
    """Recognise one utterance, under what the assistant had just asked if that is given.

    What is odd about the sound (cut off, clipped, no speech, converted) is said below the text.

    - `ctxasr recognise bauer.flac`
    - `ctxasr recognise bauer.flac --context asked.yaml --nbest 5`
    - `ctxasr recognise bauer.flac --recogniser whisper:base.en`
    - `arecord -d 3 -f S16_LE -r 16000 | ctxasr recognise -`
    """
    from ctxasr.report.output import Out, print_json
    from ctxasr.scenario.utterance import load_context, print_recognised, recognise_utterance

    before = None if context is None else load_context(context)
    settings = settings_from(recogniser=recogniser)
    found = asyncio.run(recognise_utterance(_read(audio, raw_hz), before, settings.recogniser))
    if as_json:
        print_json(found.to_json(nbest))
    else:
        print_recognised(found, Out(), nbest)


def _read(audio: Path, raw_hz: int | None) -> LoadedAudio:
    from ctxasr.speech.audio import load_samples, read_stream

    if str(audio) != "-":
        return load_samples(audio, raw_hz=raw_hz)
    return read_stream(piped("a sound"), STANDARD_INPUT, raw_hz=raw_hz)
