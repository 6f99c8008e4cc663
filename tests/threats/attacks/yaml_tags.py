"""Malicious YAML, tags: a scenario file from elsewhere runs a program when it is read.

`!!python/object/apply:os.system` is what such files carry. People share scenarios as they share
bug reports, and check them with `ctxasr scenario check` before they look inside.

Attacker: sends a scenario file.
Holds against it: values are built from the parser's events; tags are refused, nothing is called.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from _lab import Gained, Mutant, carry_out

MUTANT: Mutant = (
    "scenario/source.py",
    "builder = _Builder(file, nesting_max)",
    "import warnings; warnings.simplefilter('ignore'); "
    "return Source(file, YAML(typ='unsafe', pure=True).load(text), {})",
)
GAINS = "reading the file ran the attacker's code"

FILES = [
    "schema: !!python/object/apply:os.mkdir [{folder}]\nturns: []\n",
    "? !!python/object/apply:os.mkdir [{folder}]\n: 1\n",
    "schema: 1\nturns: !!python/object/new:os.mkdir [{folder}]\n",
    "%TAG !p! tag:yaml.org,2002:python/\n---\nturns: !p!object/apply:os.mkdir [{folder}]\n",
    "turns: !<tag:yaml.org,2002:python/object/apply:os.mkdir> [{folder}]\n",
    "schema: !!python/name:os.system\n", "schema: !!set {{a}}\n", "schema: !!binary aGk=\n",
    "schema: !include /etc/passwd\n", "schema: !ENV ${{HOME}}\n", "turns: !!int '1'\n",
]  # fmt: skip


async def attack() -> str:
    from ctxasr.errors import ScenarioError
    from ctxasr.scenario.source import read_source

    with TemporaryDirectory() as folder:
        mark, path = Path(folder) / "the-attacker-was-here", Path(folder) / "x.scenario.yaml"
        for text in FILES:
            path.write_text(text.format(folder=mark), encoding="utf-8")
            refused = False
            try:
                read_source(path)
            except ScenarioError as error:
                refused = "tags" in str(error)
            except OSError:
                refused = False  # the folder was made already
            if mark.exists():
                raise Gained("reading the file ran the attacker's code")
            if not refused:
                raise Gained("a tag was read")
    return f"{len(FILES)} files with tags are refused by name, and nothing ran"


if __name__ == "__main__":
    carry_out(attack)
