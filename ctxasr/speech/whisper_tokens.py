"""Whisper's tokens: texts must come apart as the recogniser itself writes them.

The tokenizer files of some published models lack the first merge of their byte pair encoding, the
blank with "t": the decoder says " the", and the file takes it apart into " " and "the", which the
decoder finds a thousand times less likely. The numbers of the tokens say in which order the merges
were learnt, so that one that is missing can be put back.

Source: R. Sennrich, B. Haddow and A. Birch, "Neural machine translation of rare words with subword
units", ACL 2016.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Merge = tuple[str, str]


def mend(tokenizer: Any) -> None:
    """Put missing merges back into `tokenizer`, a `tokenizers.Tokenizer` of byte pairs."""
    from tokenizers.models import BPE

    description = json.loads(tokenizer.to_str())
    model = description["model"]
    special = {token["content"] for token in description["added_tokens"]}
    vocabulary = {token: i for token, i in model["vocab"].items() if token not in special}
    merges = [
        tuple(one) if isinstance(one, list) else tuple(one.split()) for one in model["merges"]
    ]
    whole = all_merges(vocabulary, merges)
    if len(whole) > len(merges):
        tokenizer.model = BPE(vocab=model["vocab"], merges=whole)


def all_merges(vocabulary: dict[str, int], merges: Sequence[Merge]) -> list[Merge]:
    """The merges with those that make the tokens which no merge makes, each at its place.

    >>> all_merges({"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}, [("ab", "c")])
    [('a', 'b'), ('ab', 'c')]
    """
    made = {left + right for left, right in merges}
    missing = [
        merge
        for token in vocabulary
        if len(token) > 1 and token not in made
        for merge in [_last_merge(token, vocabulary)]
        if merge is not None
    ]
    if not missing:
        return list(merges)
    return sorted([*merges, *missing], key=lambda one: vocabulary.get(one[0] + one[1], -1))


def _last_merge(token: str, vocabulary: dict[str, int]) -> Merge | None:
    """The two older tokens that make it up, the longest first part of all."""
    for at in range(len(token) - 1, 0, -1):
        left, right = token[:at], token[at:]
        if (
            max(vocabulary.get(left, len(vocabulary)), vocabulary.get(right, len(vocabulary)))
            < (vocabulary[token])
        ):
            return left, right
    return None
