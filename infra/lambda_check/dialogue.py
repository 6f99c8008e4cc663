"""The records of the dialogue that the check tells, every text of it a canary."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Final

CUSTOMER: Final = "customer-1"
CANARIES: Final = (
    "wombatcanary", "quokkacanary", "lemurcanary", "narwhalcanary", "axolotlcanary",
)  # fmt: skip
HEARD: Final = ("quokka canary", "lemurcanary")
"""What the recogniser makes of the answer "lemurcanary"; the first is plain."""


def turn(interaction: str, reply_ms: int = 20_000) -> dict[str, dict[str, Any]]:
    """A turn that asks back, all that its trigger waits for included, by short names."""

    def one(name: str, payload: dict[str, Any], **outer: Any) -> dict[str, Any]:
        namespace, short = name.split(".")
        header = {
            "namespace": namespace,
            "name": short,
            "messageId": f"{interaction}-{short}",
            "dialogRequestId": interaction,
        }
        message = {"header": header, "payload": payload}
        return {
            "customer": CUSTOMER,
            "device": "device-1",
            "received_at": round(time.time() * 1_000.0),
            "message": {"event" if short == "Recognize" else "directive": message},
            **outer,
        }

    token = {"type": "FOLLOW_UP", "payload": {"token": f"ask-{interaction}"}}
    names = {"kind": "contact", "values": ["Lemurcanary", "Narwhalcanary"]}
    reply = {"text": "Axolotlcanary or which?", "durationInMilliseconds": reply_ms}
    speak = {"url": "cid:1", "format": "AUDIO_MPEG", "token": f"speech-{interaction}"}
    expect = {"timeoutInMilliseconds": 8_000, "initiator": token}
    return {
        "recognize": one("SpeechRecognizer.Recognize", {}),
        "utterance": one("ContextText.Utterance", {"text": "call wombatcanary"}),
        "entities": one("ContextText.Entities", names),
        "screen": one("ContextText.ScreenList", {"items": ["Quokkacanary's mobile"]}),
        "speak": one("SpeechSynthesizer.Speak", speak),
        "reply": one("ContextText.Reply", reply),
        "expect": one("SpeechRecognizer.ExpectSpeech", expect, service_payloads=2),
        "started": one("SpeechSynthesizer.SpeechStarted", {"token": f"speech-{interaction}"}),
    }


def sqs(*bodies: Any) -> dict[str, Any]:
    """A batch as SQS hands it over; texts are bodies as they stand."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    records = [
        {
            "messageId": f"message-{place}",
            "receiptHandle": f"receipt-{place}",
            "body": text,
            "eventSource": "aws:sqs",
        }
        for place, text in enumerate(texts)
    ]
    return {"Records": records}


def kinesis(*bodies: Any) -> dict[str, Any]:
    """The same as Kinesis hands it over."""
    records = [
        {
            "eventSource": "aws:kinesis",
            "kinesis": {
                "sequenceNumber": f"{place:04}",
                "data": base64.b64encode(json.dumps(body).encode()).decode(),
            },
        }
        for place, body in enumerate(bodies)
    ]
    return {"Records": records}
