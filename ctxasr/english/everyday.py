"""Answers that any question may get, whatever it names: "yes", "the other one", "hang up".

They protect and compete: a text that is one of them is not taken for a name on a list by text
alone, and what was misheard may have been one of them. Which answers there are is our own
experience of talking to machines; nothing was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_YES_NO: Final = """yes|yeah|yep|yup|yes please|yes i do|yes it is|yes that's right|
that's right|right|correct|exactly|sure|sure thing|of course|absolutely|definitely|okay|ok|
all right|alright|fine|that's fine|sounds good|good|great|perfect|go ahead|do it|please do|
please|i do|it is|no|nope|nah|no thanks|no thank you|not really|not now|not yet|not that one|
no way|i don't think so|i don't|don't|wrong|that's wrong|that's not right|not at all"""

_CHOICE: Final = """either|either one|either is fine|either of them|neither|neither one|
neither of them|both|both of them|all|all of them|any|any of them|anyone|any one|anything|
none|none of them|none of those|none of these|nothing|nobody|no one|someone else|something else|
somebody else|another one|the other|the other one|the others|the rest|this|this one|that|that one|
these|those|it|him|her|them|me|mine|the same|the same one|the usual|the first|the last|
the cheapest one|the cheaper one|the nearest one|the closest one|the biggest one|the best one|
the new one|the old one|whatever|whichever|you choose|you decide|surprise me|it doesn't matter|
i don't care|i don't mind"""

_CONTROL: Final = """cancel|cancel that|cancel it|stop|stop it|stop that|quit|exit|end|done|
i'm done|that's it|that's all|that's enough|enough|never mind|nevermind|forget it|forget about it|
go back|back|next|next one|previous|skip|skip it|continue|go on|start over|start again|restart|
try again|again|once more|repeat|repeat that|say that again|say it again|pardon|sorry|excuse me|
what|what was that|who|where|when|how|why|help|help me|wait|wait a minute|wait a second|hold on|
one moment|just a moment|later|maybe|maybe later|not today|perhaps|i guess|i think so|i'm not sure|
not sure|i don't know|i do not know|no idea|hang up|call back|call her|call him|call them|answer|
ignore it|pause|play|play it|resume|mute|unmute|louder|quieter|turn it up|turn it down|turn it on|
turn it off|volume up|volume down|read it|read it to me|read it out|send it|delete it|save it|
change it|show me|show me more|tell me more|more|less|open it|close it|lights on|lights off|
turn the power off|turn the power on|turn off the light|turn on the light|turn off the lights"""

_SOCIAL: Final = """thanks|thank you|thank you very much|thanks a lot|you're welcome|hello|hi|hey|
goodbye|good bye|bye|bye bye|see you|good morning|good night|well|um|uh|hmm|oh|i see|really|
i mean it|come on|let me think|let me see"""

EVERYDAY_ANSWERS: Final = tuple(
    answer.strip()
    for group in (_YES_NO, _CHOICE, _CONTROL, _SOCIAL)
    for answer in group.replace("\n", " ").split("|")
)
"""In lower case, without punctuation."""

_ANSWERS: Final = frozenset(EVERYDAY_ANSWERS)

_POSITIONS: Final = frozenset(
    """first second third fourth fifth sixth seventh eighth ninth tenth last middle next
    other""".split()
)
_NUMBERS: Final = frozenset(
    """one two three four five six seven eight nine ten eleven twelve 1 2 3 4 5 6 7 8 9 10 11
    12""".split()
)
_COUNTED: Final = _NUMBERS | frozenset(
    """zero oh thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty
    fifty sixty seventy eighty ninety hundred thousand million""".split()
)
_ORDINALS: Final = _POSITIONS - {"last", "middle", "next", "other"} | frozenset(
    """eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth
    twentieth thirtieth""".split()
)
_BESIDE_NUMBERS: Final = frozenset(
    """a b c d e f g h i j k l m n o p q r s t u v w x y z double triple and of the january february
    march april may june july august september october november december""".split()
)
"""What numbers, dates and postcodes are said with: answers to any question, and rarely names that
were misheard."""

_FILLERS: Final = frozenset("um uh well oh please thanks okay ok yeah yes no so just".split())
"""Words that an everyday answer may have around it."""


def is_everyday(words: Sequence[str]) -> bool:
    """Whether the words, as they are compared, are an everyday answer, or a number, a date
    or a postcode, fillers aside.

    >>> is_everyday("um the second one please".split())
    True
    """
    if " ".join(words) in _ANSWERS:
        return True
    start, end = 0, len(words)
    while start < end and words[start] in _FILLERS:
        start += 1
    while end > start and words[end - 1] in _FILLERS:
        end -= 1
    core = list(words[start:end])
    if not core or " ".join(core) in _ANSWERS:
        return bool(words)
    return _is_position(core) or _is_number(core)


def _is_number(words: list[str]) -> bool:
    """ "fifteen", "the third of may", "e x five four d g"."""
    counted = [_has_digit(word) or word in _COUNTED or word in _ORDINALS for word in words]
    return any(counted) and all(
        counts or word in _BESIDE_NUMBERS for word, counts in zip(words, counted, strict=True)
    )


def _has_digit(word: str) -> bool:
    return any(char.isdecimal() for char in word)


def _is_position(words: list[str]) -> bool:
    """ "number two", "option 3", "the second one", "the last", "first one"."""
    if words[0] in ("number", "option", "choice") and len(words) == 2:
        return words[1] in _NUMBERS
    rest = words[1:] if words[0] == "the" else words
    if not rest or rest[0] not in _POSITIONS:
        return False
    return len(rest) == 1 or (len(rest) == 2 and (rest[1] in ("one", "ones")))
