"""What `ctxasr doctor` finds on this machine, and what it says where something is missing."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ctxasr import cli
from ctxasr.errors import MissingPart
from ctxasr.report import doctor


def test_the_doctor_finds_this_machine_ready() -> None:
    result = CliRunner().invoke(cli.app, ["doctor", "--json"])
    found = json.loads(result.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert (result.exit_code, found["ready"]) == (0, True), checks
    assert "http://127.0.0.1:" in checks["local DynamoDB"]["found"], "it was really started"
    assert not checks["CTXASR_DATA"]["required"]


@pytest.mark.parametrize(
    ("required", "code", "state"), [(True, 1, "MISSING"), (False, 0, "absent")]
)
def test_the_doctor_says_how_to_get_what_is_missing(
    required: bool, code: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> str:
        raise MissingPart("no such file")

    monkeypatch.setattr(doctor, "PACKAGES", ())
    monkeypatch.setattr(doctor, "_CHECKS", (("weights", "make them", required, look),))
    result = CliRunner().invoke(cli.app, ["doctor"])
    lines = result.stdout.splitlines()
    assert result.exit_code == code
    assert [state in line for line in lines] == [False, True, False]
    assert lines[-1].strip() == "make them"


def test_the_doctor_names_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    monkeypatch.setattr(doctor, "_CHECKS", ())
    check = list(doctor.examine())[-1]
    assert (check.name, check.fine) == ("no-such-package", False)
    assert "pip install" in check.fix
