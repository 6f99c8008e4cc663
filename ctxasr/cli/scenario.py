"""`ctxasr scenario ...`: write, speak, import, check and draw scenario files.

What a command needs is imported inside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctxasr.cli.shared import Half, Paths, stoppable
from ctxasr.errors import InputError

scenario = typer.Typer(
    help="Write, speak, import, check and draw scenario files.", no_args_is_help=True
)


@scenario.command("new")
def scenario_new(
    path: Annotated[Path, typer.Argument(help="The file to write; its name ends .scenario.yaml.")],
) -> None:
    """Write a commented example that runs, and the JSON Schema for editors beside it.

    - `ctxasr scenario new mine/first.scenario.yaml`
    """
    from ctxasr.report.output import print_text
    from ctxasr.scenario.example import new_scenario

    for file in new_scenario(path):
        print_text(f"{file}\n")


@scenario.command("speak")
def scenario_speak(
    paths: Paths,
    force: Annotated[bool, typer.Option("--force", help="Also make files that exist.")] = False,
) -> None:
    """Make the audio of user steps that name a voice; needs flite, festival or espeak-ng.

    - `ctxasr scenario speak mine/first.scenario.yaml`
    """
    from ctxasr.report.output import print_text, say
    from ctxasr.scenario.inputs import scenario_files
    from ctxasr.scenario.speak import speak_scenario

    count = 0
    for file in scenario_files(paths):
        for spoken in speak_scenario(file, force):
            print_text(f"{'made' if spoken.made else 'kept'} {spoken.path} ({spoken.voice})\n")
            count += 1
    if not count:
        say("nothing to speak: no turn has 'audio', 'says' and 'voice'")


@scenario.command("import")
def scenario_import(
    log: Annotated[Path, typer.Argument(help="A log of AVS messages, or Assist's debug page.")],
    customer: Annotated[
        str | None, typer.Option(help="Whose messages; bare envelopes name no customer.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file to write, by default stdout.")
    ] = None,
) -> None:
    """Turn a log of real messages into a scenario with the same events in the same order.

    JSON objects, one a line or one after the other, or the debug page of Home Assistant's Assist
    (YAML or JSON), one run or several. What the scenario cannot say is noted in it and on stderr.

    - `ctxasr scenario import session.jsonl -o session.scenario.yaml`
    """
    from ctxasr.report.output import print_text, say, write_new
    from ctxasr.scenario.importer import import_log, notes_in

    text = import_log(log, customer=customer)
    if output is None:
        print_text(text)
    else:
        write_new(output, text)
    for note in notes_in(text):
        say(note)


@scenario.command("check")
def scenario_check(paths: Paths) -> None:
    """Read scenarios and their audio without running them; report every file that is wrong.

    - `ctxasr scenario check scenarios/`
    """
    from ctxasr.report.output import WRONG_INPUT, print_text, say
    from ctxasr.scenario.inputs import load_checked, scenario_files

    wrong = 0
    for file in scenario_files(paths):
        try:
            checked = load_checked([file])
        except InputError as error:
            wrong += 1
            say(str(error))
            continue
        holds = [f"{len(spoken.turns)} turns" for spoken in checked.scenarios]
        holds += [f"a plan of {len(one.to_plan())} lines" for one in checked.simulated]
        found = [f"ok {file} ({', '.join(holds)})", *checked.notes]
        print_text("".join(f"{line}\n" for line in found))
    if wrong:
        raise typer.Exit(WRONG_INPUT)


@scenario.command("schema")
def scenario_schema() -> None:
    """Print the JSON Schema of the scenario format.

    - `ctxasr scenario schema > scenario.schema.json`
    """
    from ctxasr.report.output import print_text
    from ctxasr.scenario.schema import schema_text

    print_text(schema_text())


@scenario.command("draw")
def scenario_draw(
    directory: Annotated[Path, typer.Argument(help="The folder to write into.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Scenarios to draw.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed draws the same scenarios.")] = 7,
    voices: Annotated[
        list[str] | None, typer.Option(help="As in flite:slt; give it once a voice.")
    ] = None,
    half: Annotated[
        Half, typer.Option(help="Names and voices that tuning heard, or those that it did not.")
    ] = Half.HELD_OUT,
) -> None:
    """Draw scenarios at random; `ctxasr scenario speak` then makes their audio.

    - `ctxasr scenario draw drawn/ --n 50 --seed 11 --voices flite:awb`
    """
    from ctxasr.report.output import print_text
    from ctxasr.scenario.draw import draw_scenarios

    with stoppable(lambda: f"what is in {directory} stays; the same command draws the same again"):
        drawn = draw_scenarios(directory, n=n, seed=seed, voices=voices, half=half.value)
    print_text(f"{len(drawn)} scenarios in {directory}; `ctxasr scenario speak {directory}` next\n")
