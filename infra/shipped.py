"""What the template says of the code, held against the code that is shipped.

The tables' definitions are imported. The rest is read off the source, for this environment holds
neither numpy nor aioboto3: names of operations, variables, metrics and handlers.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ctxasr.store import schema
from infra.allowed import ALLOWED, FOR_OTHERS, TURN_KEY
from infra.view import ALARM, FUNCTION, HERE, TABLE, View

ROOT: Final = HERE.parent
PACKAGE: Final = ROOT / "ctxasr"

RECIPE: Final = HERE / "Containerfile"
LOCK: Final = ROOT / "requirements.lock"
TORCH_LOCK: Final = ROOT / "requirements-torch-cpu.lock"
IMAGE_LOCK: Final = HERE / "requirements" / "image.txt"

_SHIPPED: Final = (
    *(PACKAGE / name for name in ("lambdas.py", "pipeline.py", "gateway/neighbours.py")),
    *(PACKAGE / name for name in ("store/dynamodb.py", "store/vault.py")),
    *(RECIPE, LOCK, TORCH_LOCK, IMAGE_LOCK),
)
"""What is read below; a file that is not there counts as empty."""

_OPERATIONS: Final = {
    "get_item",
    "put_item",
    "update_item",
    "delete_item",
    "query",
    "scan",
    "batch_get_item",
    "batch_write_item",
    "transact_write_items",
    "transact_get_items",
}
_KEY_OPERATIONS: Final = {"generate_data_key", "decrypt", "encrypt", "re_encrypt"}


def differences(view: View) -> Iterator[str]:
    """One sentence for each place where template and code disagree, or a file is not there."""
    for path in _SHIPPED:
        if not path.exists():
            yield f"{path.relative_to(ROOT)} is not there"
    yield from _tables(view)
    yield from _operations()
    yield from _numbers(view)
    yield from _handlers(view)
    yield from _variables(view)
    yield from _metrics(view)
    yield from _image()


def _tables(view: View) -> Iterator[str]:
    prefix = f"ctxasr-{view.environment}"
    definitions = {one["TableName"]: one for one in schema.Tables.named(prefix).definitions()}
    for name, table in view.of(TABLE).items():
        wanted = definitions.pop(table["TableName"], None)
        if wanted is None:
            yield f"{name}: the code knows no table {table['TableName']}"
            continue
        for part in wanted:
            if table.get(part) != wanted[part]:
                yield f"{name}: {part} is {table.get(part)}, in ctxasr.store.schema {wanted[part]}"
        attribute = table.get("TimeToLiveSpecification", {}).get("AttributeName")
        if attribute != schema.EXPIRES_AT:
            yield f"{name}: TTL on {attribute}, in ctxasr.store.schema on {schema.EXPIRES_AT}"
    for missing in definitions:
        yield f"the template has no table {missing}"


def _operations() -> Iterator[str]:
    """All that the two stores ever ask of AWS is allowed to somebody, and nothing else is."""
    # What both stores forget a customer with stands in dynamodb.py.
    forget = {"dynamodb:Query", "dynamodb:DeleteItem"}
    for module, table, service, names, shared in (
        ("dynamodb.py", "StatusTable", "dynamodb", _OPERATIONS, forget),
        ("vault.py", "PayloadTable", "dynamodb", _OPERATIONS, forget),
        ("vault.py", TURN_KEY, "kms", _KEY_OPERATIONS, set()),
    ):
        texts = _texts(PACKAGE / "store" / module) & names
        used = {_action(service, text) for text in texts} | shared
        tables = [*ALLOWED.values(), *FOR_OTHERS.values()]
        allowed = {action for one in tables for action in one.get(table, ())}
        for action in sorted(used ^ allowed):
            who = "nobody is allowed" if action in used else "nobody uses"
            yield f"store/{module}: {who} {action} on {table}"


def _numbers(view: View) -> Iterator[str]:
    """Numbers that stand in the code as well."""
    embed = view.properties("EmbedContextFunction")
    recorder = view.properties("RecordEventFunction")["Environment"]["Variables"]
    reader = view.properties("RescoreFunction")["Environment"]["Variables"]
    rows = (
        ("gateway/neighbours.py", "EMBED_READ_TIMEOUT_S", embed["Timeout"]),
        ("pipeline.py", "PAYLOAD_TTL_S", recorder.get("CTXASR_PAYLOAD_TTL_S")),
        ("pipeline.py", "READ_BUDGET_MS", reader.get("CTXASR_READ_BUDGET_MS")),
    )
    for module, name, written in rows:
        found = _constant(PACKAGE / module, name)
        if found != written:
            yield f"{module}: {name} is {found}, the template says {written}"


def _handlers(view: View) -> Iterator[str]:
    defined = set()
    for node in _tree(PACKAGE / "lambdas.py").body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            defined |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
    for name, function in view.of(FUNCTION).items():
        image = function.get("ImageConfig", {}).get("Command", [""])
        handler = function.get("Handler") or image[0]
        module, _, entry = handler.rpartition(".")
        expected = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Function")).lower()
        if module != "ctxasr.lambdas" or entry not in defined or entry != expected:
            yield f"{name}: its handler {handler} is no entry point of ctxasr/lambdas.py"


def _variables(view: View) -> Iterator[str]:
    """A variable that nobody reads is a mistake of spelling, or a setting without effect."""
    read = _all_texts()
    for name, function in view.of(FUNCTION).items():
        for variable in function.get("Environment", {}).get("Variables", {}):
            if variable.startswith("CTXASR_") and variable not in read:
                yield f"{name}: nothing in ctxasr reads {variable}"


def _metrics(view: View) -> Iterator[str]:
    written = _all_texts()
    for name, alarm in view.of(ALARM).items():
        for metric in view.metrics(alarm):
            of_ours = metric.get("Namespace") == "ctxasr"
            if of_ours and metric["MetricName"] not in written:
                yield f"{name}: nothing in ctxasr counts {metric['MetricName']}"


def _image() -> Iterator[str]:
    """The image stands on a digest, installs what is locked by its hash, copies what is there."""
    recipe = _read(RECIPE)
    for base in re.findall(r"^FROM (.*)$", recipe, re.MULTILINE):
        if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", base):
            yield f"Containerfile: FROM {base} names no digest"
    for install in re.findall(r"pip install [^&]*", recipe):
        if "--require-hashes" not in install:
            yield f"Containerfile: {install.strip()} takes files of any hash"
    tested = _pins(LOCK)
    for name, version in (*_pins(TORCH_LOCK).items(), *_pins(IMAGE_LOCK).items()):
        if tested.get(name, version) != version:
            yield f"the image installs {name} {version}, requirements.lock has {tested[name]}"
    if 'CMD ["ctxasr.lambdas.embed_context"]' not in recipe:
        yield "Containerfile starts another handler"
    copies = [line.split() for line in recipe.splitlines() if line.startswith("COPY ")]
    for copy in copies:
        if len(copy) != 3 or not (ROOT / copy[1]).exists():
            yield f"Containerfile: {' '.join(copy)} is not `COPY <path in the repository> <target>`"
    if ["COPY", "ctxasr", "${LAMBDA_TASK_ROOT}/ctxasr"] not in copies:
        yield "Containerfile does not copy ctxasr to where Lambda looks for it"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _pins(lock: Path) -> dict[str, str]:
    """Distributions -> the versions that a lock file pins."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", _read(lock), re.MULTILINE))


def _action(service: str, operation: str) -> str:
    return f"{service}:" + "".join(word.capitalize() for word in operation.split("_"))


def _constant(path: Path, name: str) -> Any:
    """The value of a module's constant; None if it has no such constant."""
    for node in _tree(path).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value:
            return ast.literal_eval(node.value)
    return None


@functools.cache  # faults.py asks again for each fault
def _texts(path: Path) -> frozenset[str]:
    """All string constants of a module."""
    constants = (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant))
    return frozenset(node.value for node in constants if isinstance(node.value, str))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_read(path))


@functools.cache
def _all_texts() -> frozenset[str]:
    return frozenset().union(*map(_texts, PACKAGE.rglob("*.py")))
