"""The threat: something on the way from sound to text writes down what was said.

A whole dialogue is replayed over the local server with all loggers at DEBUG; then once more with
an encoder whose exception quotes everything it was given. Neither the tables, nor the logs, nor
the trace may hold a word of it. The reports hold the texts, for that is what they are for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import OPERATIONS_OF_TESTS, variables

from ctxasr import app
from ctxasr.app import Settings
from ctxasr.encoder.adapter import TorchContextEncoder
from ctxasr.events import TurnText
from ctxasr.hypotheses import Phrase
from ctxasr.ports import Matrix, Vector
from ctxasr.report.trace import TurnReport
from ctxasr.scenario.format import load_scenario
from ctxasr.scenario.replay import Options, replay_all
from ctxasr.store.clients import clients
from ctxasr.store.local import LocalAws

from .canaries import find_canaries
from .test_canaries_at_rest import Lines, dump

WORDS = [
    "zanzibarcanary", "quokkacanary", "wombatcanary", "narwhalcanary", "axolotlcanary",
    "lemurcanary", "kingfishercanary", "zebrafinchcanary",
]  # fmt: skip
CANARIES = [form for word in WORDS for form in (word, word.capitalize(), word.upper())]

SCENARIO = """\
schema: 1
settings: {read_budget: 60s}  # logging all this takes its time
turns:
  - user: {hypotheses: [call zanzibarcanary]}
    entities:
      - {kind: lemurcanary, values: [Wombatcanary Jones, Kingfishercanary Bauer]}
    screen: [Narwhalcanary]
    elicit_slot: axolotlcanary
    reply: Do you mean Quokkacanary or Wombatcanary?
  - user: {hypotheses: [power, kingfishercanary bauer]}
    reply: Calling Zebrafinchcanary.
    expect_speech: true
  - user: {hypotheses: [stop zanzibarcanary]}
"""


class Quoting:
    """An encoder that says in its exception all that it was given."""

    dimensions = 128
    model = "quoting"

    async def encode(self, turn: TurnText, past: Matrix) -> Vector:
        names = [entity.text for entity in turn.entities]
        raise RuntimeError(f"cannot encode {turn.utterance} {turn.reply} {names} {turn.slot}")

    async def embed_phrases(self, phrases: Sequence[Phrase]) -> Matrix:
        raise RuntimeError(f"cannot embed {[phrase.text for phrase in phrases]}")


@contextmanager
def everything_logged() -> Iterator[Lines]:
    """All loggers that exist, and the root, at DEBUG."""
    names = [*logging.root.manager.loggerDict, "botocore", "aiobotocore", "asyncio", "moto"]
    lines, loggers = Lines(), [logging.getLogger(), *map(logging.getLogger, names)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(lines)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(lines)
        for logger, level in zip(loggers, before, strict=True):
            if logger.level == logging.DEBUG:  # else its owner has configured it meanwhile
                logger.setLevel(level)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS settings such as the user of an endpoint of their own has."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("encoder", [TorchContextEncoder.load, Quoting])
async def test_no_word_of_a_dialogue_is_written_down(
    encoder: type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "canary.scenario.yaml"
    path.write_text(SCENARIO)
    monkeypatch.setattr(app, "default_encoder", lambda weights=None: encoder())
    reports: list[TurnReport] = []
    with everything_logged() as logs:
        async with (
            LocalAws(operations=OPERATIONS_OF_TESTS) as server,
            clients(server.endpoint) as (dynamodb, _),
        ):
            for name, value in variables(server.endpoint).items():
                monkeypatch.setenv(name, value)
            settings = Settings(server.endpoint.url, region=server.endpoint.region)
            async for turn in replay_all([load_scenario(path)], Options(settings=settings)):
                reports.append(turn.report)
            items = await dump(dynamodb)
        said = "\n".join(logs.lines).encode()

    outcomes = [report.outcome for report in reports]
    if encoder is Quoting:
        assert outcomes == ["missed", "missed", "discarded"]
        assert [report.text for report in reports[1:]] == ["power", "stop zanzibarcanary"]
    else:
        assert outcomes == ["embedded", "embedded", "discarded"]
        assert reports[1].context == "hit", reports[1].reason
        assert b"context" in items
    assert b"ev#" in items
    assert b"UpdateItem" in said, "the logs were listened to"

    printed = "".join(capfd.readouterr())
    shown = repr(reports) + repr([report.points for report in reports]) + repr(turn)
    for name, held in (
        ("tables", items),
        ("logs", said),
        ("terminal", printed.encode()),
        ("trace and reprs", shown.encode()),
    ):
        assert find_canaries(held, CANARIES) == [], name
