"""README and docs say what is true: commands, fields, variables, codes, files, dependencies."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ctxasr import cli
from ctxasr.report import doctor, output
from ctxasr.report.trace import TurnReport
from ctxasr.scenario.utterance import load_context

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEPENDENCIES = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def command_lines() -> list[str]:
    lines = "\n".join(blocks("sh")).splitlines()
    found = [line.partition("#")[0].partition("ctxasr ")[2].strip() for line in lines if line]
    assert all(found), "every line of an sh block is a ctxasr command"
    return found


def commands() -> Iterator[str]:
    top: Any = typer.main.get_command(cli.app)
    for name, found in top.commands.items():
        for child in getattr(found, "commands", {"": None}):
            yield f"{name} {child}".strip()


def table(head: str, text: str = README) -> dict[str, str]:
    """The rows of the table whose first column is named `head`: first cell to second."""
    start = re.search(rf"^\| {head} \|.*\n\|[-|]+\|\n", text, re.MULTILINE)
    assert start is not None, head
    rows = re.match(r"(?:\|.*\n)+", text[start.end() :])
    assert rows is not None
    cells = [line.strip("|").split(" | ") for line in rows.group().splitlines()]
    return {row[0].strip(): row[1].strip() for row in cells}


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize("line", command_lines())
def test_readme_commands_are_accepted_by_the_program(line: str) -> None:
    words = shlex.split(line)
    found: Any = typer.main.get_command(cli.app)
    while hasattr(found, "commands"):
        found = found.commands[words.pop(0)]
    context = found.make_context(line, list(words))  # parses and checks all; runs nothing
    assert context.args == []


def test_readme_shows_every_command() -> None:
    shown = command_lines()
    for name in commands():
        assert any(f"{line} ".startswith(f"{name} ") for line in shown), name


def test_readme_commands_name_files_that_are_there() -> None:
    named = {word for line in command_lines() for word in line.split() if "scenarios/" in word}
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_make_targets_exist_and_come_first() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    named = re.findall(r"^ {4}make (\w+)$", README, re.MULTILINE)
    assert named == ["replay", "test"]
    assert set(named) <= set(targets)
    assert README.index("make replay") < README.index("make test") < README.index("pip install")


def test_the_context_file_of_the_readme_is_right(tmp_path: Path) -> None:
    (example,) = blocks("yaml")
    path = tmp_path / "asked.yaml"
    path.write_text(example)
    turn = load_context(path)
    assert (len(turn.entities), len(turn.screen), turn.slot) == (2, 2, "contact_name")


# ---------------------------------------------------------------- tables


def test_the_python_of_the_readme_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    here = [block for block in blocks if 'recogniser="whisper"' not in block]
    assert here
    for block in here:  # the other needs a model: test_rescorer.py runs it
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102


def test_readme_lists_the_json_fields() -> None:
    report = TurnReport("s", 1, None, "none", None, None, "", "")
    named = [name for cell in table("field") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(report.to_json())


def test_readme_lists_the_exit_codes() -> None:
    used = (
        output.OK, output.FAILED, output.WRONG_INPUT, output.FAULT, output.DISK, output.STOPPED,
        output.READER_GONE,
    )  # fmt: skip
    assert [int(code) for code in table("exit code")] == list(used)


def test_readme_lists_the_environment_variables() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ctxasr").rglob("*.py"))
    used = set(re.findall(r"\bCTXASR_[A-Z_]+\b", sources))
    assert {name.strip("`") for name in table("variable")} == used


def test_the_layout_is_the_tree() -> None:
    (tree,) = (block for block in blocks("text") if block.startswith("ctxasr/"))
    named, inside = set(), ""
    for line in tree.splitlines():
        name = line.split()[0]
        inside = "" if not line.startswith(" ") else inside
        assert (ROOT / inside / name).exists(), name
        if inside:
            named.add(name.strip("/"))
        elif name == "ctxasr/":
            inside = name
    here = {path.name for path in (ROOT / "ctxasr").iterdir() if not path.name.startswith("_")}
    assert named == here - {"py.typed"}


def test_readme_has_a_place_for_the_figures() -> None:
    assert README.index("<!-- figures -->") < README.index("<!-- /figures -->")


# ---------------------------------------------------------------- dependencies


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[\[<>=~! ]", requirement)[0] for requirement in requirements]


def test_every_dependency_has_its_line() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = names(PROJECT["dependencies"]) + [n for part in extras.values() for n in names(part)]
    listed = re.findall(r"^\| (?!name )([\w.-]+) \|", DEPENDENCIES, re.MULTILINE)
    assert sorted(listed) == sorted(declared)


def test_the_doctor_looks_for_every_dependency() -> None:
    needed = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["local"])
    assert sorted(doctor.PACKAGES) == sorted(needed)
    lowest = ".".join(map(str, doctor.PYTHON_MIN))
    assert PROJECT["requires-python"] == f">={lowest}"
