"""`make infra-check`: is the template well-formed, safe, in step with the code, and applicable?

    lint      cfn-lint on the source, and on what SAM makes of it for each environment
    rules     rules.py and access.py on the expanded template with each environment's parameters
    faults    faults.py: each rule finds what it is for
    checkov   another rule set, on the source: nothing found that is not annotated with its reason
    code      shipped.py: tables, IAM, handlers, variables, metrics and image against ctxasr
    moto      moto_stack.py: the stack comes up, and what moto leaves out

Prints one line a step and one a finding; the exit code is 1 if there is a finding. checkov has an
environment of its own. It needs the
environment of requirements/tools.txt and no network. The expanded templates stay in build/infra.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import Counter
from typing import Final

from cfnlint.api import lint
from cfnlint.config import ManualArgs

from infra import expand, faults, moto_stack, rules, shipped
from infra.view import View

CHECKOV: Final = expand.HERE / ".venv-checkov" / "bin" / "checkov"
"""Made by the Makefile: it pins packages that the other tools cannot use."""

BUILD: Final = expand.HERE.parent / "build" / "infra"

EXPANDED_IGNORES: Final = ["W2001"]
"""SAM puts the image's URI in place of its parameter, which then is not used any more."""


class Report:
    """Prints as it goes, and remembers whether anything was wrong."""

    def __init__(self) -> None:
        self.wrong = 0

    def step(self, name: str, good: str, findings: list[str]) -> None:
        """One line for the step: `good`, or the number of findings with a line for each."""
        self.wrong += len(findings)
        print(f"{name:<8} {'FAILED: ' + str(len(findings)) if findings else good}")
        for finding in findings:
            print(f"{'':<8} - {finding}")


def main() -> int:
    """The exit code."""
    report = Report()
    report.step("lint", "source", _lint(expand.SOURCE.read_text(encoding="utf-8"), []))
    BUILD.mkdir(parents=True, exist_ok=True)
    views = {}
    for environment, parameters in expand.ENVIRONMENTS.items():
        expanded = expand.expand(environment)
        text = json.dumps(expanded, indent=1)
        (BUILD / f"expanded-{environment}.json").write_text(text + "\n", encoding="utf-8")
        report.step("lint", f"expanded, {environment}", _lint(text, EXPANDED_IGNORES))
        view = View(environment, expand.resolve(expanded, parameters))
        views[environment] = view, expanded
        found = rules.findings(view)
        count = len(view.template["Resources"])
        good = f"{environment}: {len(found)} rules hold of {count} resources"
        report.step("rules", good, [f"{name}: {one}" for name in found for one in found[name]])
    prod, expanded = views["prod"]
    total = sum(map(len, faults.FAULTS.values()))
    report.step("faults", f"{total} of {total} are found", faults.survivors(prod))
    broken = copy.deepcopy(expanded)
    broken["Resources"]["SweepQueue"]["Properties"]["VisibilityTimeout"] = 99_999
    alive = _lint(json.dumps(broken), EXPANDED_IGNORES)
    report.step("faults", "cfn-lint finds one too", [] if alive else ["cfn-lint finds nothing"])
    report.step("checkov", *_checkov())
    for view, _ in views.values():
        good = f"{view.environment}: tables, IAM, handlers, variables, metrics, image agree"
        report.step("code", good, rules.judged(shipped.differences, view))
    for view, expanded in views.values():
        _moto(report, view, expanded)
    print("all is well" if not report.wrong else f"{report.wrong} findings")
    return 1 if report.wrong else 0


def _lint(text: str, ignore: list[str]) -> list[str]:
    config = ManualArgs(regions=[expand.REGION], ignore_checks=ignore)
    return [f"{m.rule.id} line {m.linenumber}: {m.message}" for m in lint(text, config=config)]


def _checkov() -> tuple[str, list[str]]:
    """What is good, and findings: what checkov finds, and annotations without a word in README."""
    options = ("--framework", "cloudformation", "--output", "json", "--skip-download")
    done = subprocess.run(  # noqa: S603
        [CHECKOV, "--file", expand.SOURCE, *options], capture_output=True, text=True, check=False
    )
    try:
        told = json.loads(done.stdout)["results"]
    except (ValueError, KeyError, TypeError):  # it ends with 0 also where it could not read a thing
        return "", [f"checkov did not run: {done.stderr[-300:] or done.stdout[-300:]}"]
    wrong = [f"{one['check_id']} {one['resource']}" for one in told["failed_checks"]]
    wrong += [f"not parsed: {file}" for file in told["parsing_errors"]]
    readme = (expand.HERE / "README.md").read_text(encoding="utf-8")
    skipped = {one["check_id"] for one in told["skipped_checks"]}
    wrong += [
        f"README.md gives no reason for {one}" for one in sorted(skipped) if one not in readme
    ]
    if not told["passed_checks"]:
        wrong.append("checkov checked nothing")
    passed, annotated = len(told["passed_checks"]), len(told["skipped_checks"])
    return f"{passed} checks passed, {annotated} annotated with their reason", wrong


def _moto(report: Report, view: View, expanded: expand.Template) -> None:
    kinds, seen = moto_stack.apply(view, expanded)
    missing = {(one.kind, one.what) for one in seen if one.written != one.shown}
    unexpected = [
        f"{one.name}: {one.what} is {one.shown}, in the template {one.written}"
        for one in seen
        if one.written != one.shown and (one.kind, one.what) not in moto_stack.LEFT_OUT
    ]
    unexpected += [
        f"moto now keeps {kind}: {what}; take it off LEFT_OUT"
        for kind, what in sorted(moto_stack.LEFT_OUT - missing)
        if view.of(kind)
    ]
    good = f"{view.environment}: {len(kinds)} of {len(view.template['Resources'])} resources up, "
    good += f"{len(seen) - sum(one.written != one.shown for one in seen)} of {len(seen)} properties"
    report.step("moto", good + " as written", unexpected)
    if unexpected or not view.is_prod:
        return
    print(f"{'':<8} up: " + _counted(Counter(kinds)))
    wanted = Counter(entry["Type"] for entry in view.template["Resources"].values())
    print(f"{'':<8} left out whole: " + _counted(wanted - Counter(kinds)))
    for kind, what in sorted(missing):
        print(f"{'':<8} left out: {what} of {kind}")
    print(f"{'':<8} says nothing: point-in-time recovery, IAM and key policies in force, alarms")


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} {kind.removeprefix('AWS::')}" for kind, n in sorted(kinds.items()))


if __name__ == "__main__":
    sys.exit(main())
