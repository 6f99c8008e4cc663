"""The scenario that `ctxasr scenario new` writes: it runs as it is, and explains itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ctxasr.errors import InputError, ScenarioError
from ctxasr.report.output import write_new
from ctxasr.scenario.format import SUFFIX
from ctxasr.scenario.schema import MODELINE, SCHEMA_FILE, schema_text

EXAMPLE: Final = f"""\
{MODELINE}
#
# A spoken dialogue, what happens around it, and what must come out of it.
# Durations carry their unit: 120ms, 2s, 1.5m, 1h. Unknown keys are refused.
schema: 1
about: The reply offers two names, and the answer is one of them.
seed: 0

# settings:                  # all optional
#   payload_ttl: 1h          # how long the stored texts live
#   read_budget: 50ms        # what context may cost after the recogniser's result
#   encoder_delay: 3s        # slows the context model down, to see a missed deadline

turns:
  - user:
      # What a recogniser heard, best first. With real sound, write instead:
      #   audio: audio/example-1.flac     (relative to this file)
      #   says: call meg                  (what is really said)
      #   voice: flite:slt                (`ctxasr scenario speak` makes the audio)
      #   noise: kitchen                  (white, pink, babble or kitchen)
      #   snr: 20                         (dB)
      hypotheses: [call meg, call mac]
    entities:                # what the services offer; each list is one encrypted payload
      - kind: contact
        values: [Meg Jones, Meg Bauer]
    # screen: [Meg Jones, Meg Bauer]      # the list on the screen
    # elicit_slot: contact_name           # the slot that the assistant asks for
    # moments: [One moment.]              # said before the reply, each a speech of its own
    reply:
      text: Do you mean Meg Jones or Meg Bauer?
      duration: 2.1s         # left out: estimated from the words
    # expect_speech: true    # the microphone re-opens; here it does, as a turn follows
    # announce: 1            # payloads that the trigger waits for; left out: all there are
    # deliver: [expect_speech, reply, utterance]   # arrive first, in this order
    # duplicate: [reply]     # arrives twice
    # barge_in: 300ms        # the customer interrupts this long after expect-speech
    # pause: 800ms           # silence before the next utterance
    expect:
      outcome: embedded      # embedded, missed or discarded: how this turn is settled

  - user:
      hypotheses: [power, bower, bauer]
      says: bauer
    expect:                  # all optional
      context: hit           # hit, missed or none: what this utterance could use
      plain_lacks: [bauer]   # the recogniser alone does not find it
      contains: [bauer]
      # text: bauer
      # plain_text: power
      # lacks: [power]
      # same_as_plain: false
      # signals: [entities]
"""


def new_scenario(path: Path | str) -> tuple[Path, ...]:
    """Write the example to `path` and, where there is none beside it, the schema for editors.

    Returns the files written.

    Raises:
        ScenarioError: `path` exists, cannot be written, or does not end in .scenario.yaml.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX) or path.name == SUFFIX:
        raise ScenarioError(f"the name of a scenario file ends in {SUFFIX}", file=str(path))
    schema = path.parent / SCHEMA_FILE
    files = {path: EXAMPLE} if schema.exists() else {path: EXAMPLE, schema: schema_text()}
    try:
        for file, text in files.items():
            write_new(file, text)
    except InputError:
        message = "exists already and is not overwritten; choose another name"
        raise ScenarioError(message, file=str(path)) from None
    except OSError as error:
        raise ScenarioError(f"cannot be written ({error.strerror})", file=str(path)) from None
    return tuple(files)
