"""Every file in attacks/ is repelled by the shipped code and gets through on its mutant.

An attack is one runnable file that names the one line on which its failure rests:

    MUTANT: Mutant = ("store/schema.py", "the line as it is", "what it becomes")

The mutant is a copy of the package with that line replaced; all else in it are links. Where there
are several ways through, the attack names the one that its mutant opens: GAINS, a part of what it
says then.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytest
from servers import moto

import ctxasr
from threats.processes import run_file

PACKAGE = Path(ctxasr.__file__).parent
ATTACKS = sorted(
    path for path in (Path(__file__).parent / "attacks").glob("*.py") if path.name[0] != "_"
)
SECONDS_MAX = 60.0
"""An attack that takes longer is broken."""

NAMES = [path.stem for path in ATTACKS]


class Ended(NamedTuple):
    """How an attack ended: 0 repelled, 1 got through, else broken or late; and its one line."""

    code: int | None
    line: str
    errors: str


class Attempt(NamedTuple):
    """One attack under way, on the package as it is shipped and on the attack's mutant."""

    attack: Path
    shipped: Future[Ended]
    mutant: Future[Ended]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """One local server for all attacks, as JSON: each makes tables of its own."""
    with moto() as endpoint:
        yield json.dumps(asdict(endpoint))


def carry_out(attack: Path, package: Path, server: str = "") -> Ended:
    """Run the file as anybody would, on the package that lies in the folder `package`."""
    environment = {name: value for name, value in os.environ.items() if "CTXASR" not in name}
    environment |= {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    if server:
        environment["CTXASR_ATTACKED_SERVER"] = server
    code, out, errors = run_file(attack, package, environment, SECONDS_MAX)
    return Ended(code, out.strip(), errors)


def mutant_of(attack: Path) -> tuple[str, str, str]:
    """(file, line, replacement) as the attack's file names them."""
    for node in ast.parse(attack.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MUTANT":
            assert node.value is not None, f"{attack.name}: MUTANT is empty"
            file, line, replacement = ast.literal_eval(node.value)
            return file, line, replacement
    raise AssertionError(f"{attack.name} names no MUTANT: what does its failure rest on?")


def gains_of(attack: Path) -> str | None:
    """What the attack says that its mutant lets it have; without a word of it, there is one way."""
    tree = ast.parse(attack.read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "GAINS":
            named = ast.literal_eval(node.value)
            assert isinstance(named, str)
            assert len(named.split()) >= 3, f"{attack.name}: GAINS says what was gained"
            return named
    raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    ways = {ast.unparse(node.exc) for node in raised if node.exc is not None}
    ways = {way for way in ways if way.startswith("Gained(")}
    assert len(ways) <= 1, f"{attack.name} has {len(ways)} ways to get through and names no GAINS"
    return None


def mutate(text: str, line: str, replacement: str) -> str:
    """Replace the one line that reads `line`, its indentation kept."""
    lines = text.splitlines()
    places = [number for number, one in enumerate(lines) if one.strip() == line]
    assert len(places) == 1, f"stands {len(places)} times, not once: {line}"
    assert "\n" not in replacement, "one line"
    assert replacement != line, "a change"
    indent = lines[places[0]][: -len(line)]
    lines[places[0]] = indent + replacement
    return "\n".join(lines) + "\n"


def copy_with(mutant: tuple[str, str, str], folder: Path) -> Path:
    """A package under `folder` with one line changed; files and folders beside it are links."""
    file, line, replacement = mutant
    original, here = PACKAGE, folder / PACKAGE.name
    for part in Path(file).parts:
        here.mkdir()
        for path in original.iterdir():
            if path.name not in ("__pycache__", part):
                (here / path.name).symlink_to(path)
        original, here = original / part, here / part
    here.write_text(mutate(original.read_text(), line, replacement))
    return folder


@pytest.fixture(scope="module", params=ATTACKS, ids=NAMES)
def attempt(
    request: pytest.FixtureRequest, server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attempt]:
    """Both at the same time."""
    attack: Path = request.param

    def on_mutant() -> Ended:
        folder = tmp_path_factory.mktemp(attack.stem)
        return carry_out(attack, copy_with(mutant_of(attack), folder), server)

    with ThreadPoolExecutor(2) as pool:
        shipped = pool.submit(carry_out, attack, PACKAGE.parent, server)
        yield Attempt(attack, shipped, pool.submit(on_mutant))


def test_is_repelled(attempt: Attempt) -> None:
    ended = attempt.shipped.result()
    assert (ended.code, ended.line[:10]) == (0, "repelled: "), ended
    assert ended.line.count("\n") == 0


def test_gets_through_on_its_mutant(attempt: Attempt) -> None:
    ended = attempt.mutant.result()
    assert (ended.code, ended.line[:13]) == (1, "GOT THROUGH: "), ended
    assert (gains_of(attempt.attack) or "") in ended.line, (
        "for another reason than the one that it names"
    )


@pytest.mark.parametrize("attack", ATTACKS, ids=NAMES)
def test_tells_its_story(attack: Path) -> None:
    """What happens, who the attacker is and what they hold, what holds against it."""
    story = ast.get_docstring(ast.parse(attack.read_text())) or ""
    assert len(story.split()) >= 20, "a story"
    for part in ("\n\nAttacker: ", "\nHolds against it: "):
        assert part in story, f"{attack.name} does not say {part.strip()}"


# ---------------------------------------------------------------- the harness itself

NOTHING = "from _lab import carry_out\n\nasync def attack():\n    {}\n\ncarry_out(attack)\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return 'all is well'", 0),
        ("from _lab import Gained; raise Gained('the crown')", 1),
        ("assert False", 2),
        ("raise SystemExit(1)", 2),
    ],
)
def test_a_broken_attack_has_not_got_through(body: str, code: int, tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    path = f"import sys; sys.path.insert(0, {str(ATTACKS[0].parent)!r})\n"
    file.write_text(path + NOTHING.format(body))
    ended = carry_out(file, PACKAGE.parent)
    assert ended.code == code, ended
    assert ended.line.split(":")[0] == ["repelled", "GOT THROUGH", "broken"][code]


def test_an_attack_that_does_not_load_has_not_got_through(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("import no_such_module\n")
    assert not carry_out(tmp_path / "some.py", PACKAGE.parent).line


def test_an_attack_that_is_late_has_not_got_through(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("while True:\n    pass\n")
    assert run_file(tmp_path / "some.py", PACKAGE.parent, {}, 0.0) == (None, "", "")


def test_an_attack_without_a_mutant_fails(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text('"""A story."""\n')
    with pytest.raises(AssertionError, match="names no MUTANT"):
        mutant_of(tmp_path / "some.py")


def test_an_attack_with_two_ways_through_says_which_its_mutant_opens(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    one, two = "raise Gained('the one thing')\n", "raise Gained('another thing')\n"
    file.write_text(one + one)
    assert gains_of(file) is None
    file.write_text(one + two)
    with pytest.raises(AssertionError, match="names no GAINS"):
        gains_of(file)
    file.write_text("GAINS = 'the one thing'\n" + one + two)
    assert gains_of(file) == "the one thing"


@pytest.mark.parametrize("text", ["", "a = 1\n", "    x\n    x\n"])
def test_the_mutated_line_stands_exactly_once(text: str) -> None:
    with pytest.raises(AssertionError, match="not once"):
        mutate(text, "x", "y")
    assert mutate("if a:\n    x\n", "x", "y") == "if a:\n    y\n"


def test_a_mutant_is_the_package_but_for_one_line(tmp_path: Path) -> None:
    line = "FORMAT_VERSION: Final = 1"
    copy = copy_with(("store/schema.py", line, line + "  # changed"), tmp_path) / PACKAGE.name
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    changed = [p for p in paths if (copy / p).read_bytes() != (PACKAGE / p).read_bytes()]
    assert changed == [Path("store/schema.py")]
    code = "import ctxasr.store.schema as s; print(s.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == str(copy / "store" / "schema.py")
