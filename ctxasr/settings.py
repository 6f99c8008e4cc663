"""The environment variables that begin with CTXASR_: read, checked, each named where it is wrong.

    CTXASR_PAYLOAD_TTL_S=600    from_environment() gives {"payload_ttl_s": 600}
    CTXASR_PAYLOAD_TTL_S=6      InputError: CTXASR_PAYLOAD_TTL_S is '6': a whole number of ...

A variable that is set to nothing is not set. Where AWS has a variable of its own for the same
thing, that one counts if ours is not set.
"""

from __future__ import annotations

import difflib
import os
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ctxasr.errors import InputError
from ctxasr.timing import READ_BUDGET_MS_MAX
from ctxasr.urls import is_url

AWS: Final = "aws"
"""The `endpoint_url` of DynamoDB itself, in the region of the usual AWS settings."""

PAYLOAD_TTL_S_MIN: Final = 10
"""Less would be eaten by the margin for clocks that disagree."""

PAYLOAD_TTL_S_MAX: Final = 30 * 86_400
"""A month: what was said is not kept for longer."""

TABLE_PREFIX_CHARS_MAX: Final = 240
"""A table's name has 255 characters, and "-event-status" stands behind the prefix."""

SHOWN_CHARS_MAX: Final = 80
"""Of a value, in a message."""

PREFIX: Final = "CTXASR_"

SIMILAR: Final = 0.8
"""From this likeness on, of 1, a variable is perhaps a misspelt one of ours."""

OTHERS: Final = (
    "CTXASR_EMBED_FUNCTION", "CTXASR_SWEEP_QUEUE_URL", "CTXASR_DATA", "CTXASR_WHISPER",
    "CTXASR_DEBUG",
)  # fmt: skip
"""Variables that are read where they are needed; `ctxasr doctor` knows them."""


def _url(text: str) -> str:
    if not is_url(text):
        raise ValueError
    return text


def _url_or_aws(text: str) -> str:
    return text if text == AWS else _url(text)


def _key(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9:/_-]*", text):
        raise ValueError
    return text


_URL_RIGHT: Final = "a URL as http://127.0.0.1:8000"


class _Environment(BaseSettings):
    """Each field's description says what would be right."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        case_sensitive=True,
        str_strip_whitespace=True,
        validate_default=False,
        hide_input_in_errors=True,
    )

    endpoint_url: Annotated[
        str,
        AfterValidator(_url_or_aws),
        Field(
            validation_alias=AliasChoices(
                "CTXASR_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"
            ),
            description=f"{_URL_RIGHT}, or aws,",
        ),
    ] = ""
    kms_endpoint_url: Annotated[
        str,
        AfterValidator(_url),
        Field(
            validation_alias=AliasChoices("CTXASR_KMS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"),
            description=_URL_RIGHT,
        ),
    ] = ""
    kms_key: Annotated[
        str,
        AfterValidator(_key),
        Field(
            validation_alias="CTXASR_KMS_KEY",
            max_length=2_048,
            description="the id, ARN or alias of one key, as alias/ctxasr,",
        ),
    ] = ""
    kms_previous_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_key)], ...],
        NoDecode,
        BeforeValidator(str.split),
        Field(
            validation_alias="CTXASR_KMS_PREVIOUS_KEYS",
            description="ids, ARNs or aliases of keys, separated by blanks,",
        ),
    ] = ()
    table_prefix: Annotated[
        str,
        Field(
            validation_alias="CTXASR_TABLE_PREFIX",
            pattern=r"^[A-Za-z0-9_.-]+$",
            max_length=TABLE_PREFIX_CHARS_MAX,
            description="letters, digits, '_', '.' and '-', at most "
            f"{TABLE_PREFIX_CHARS_MAX} of them,",
        ),
    ] = ""
    payload_ttl_s: Annotated[
        int,
        Field(
            validation_alias="CTXASR_PAYLOAD_TTL_S",
            ge=PAYLOAD_TTL_S_MIN,
            le=PAYLOAD_TTL_S_MAX,
            description=f"a whole number of seconds from {PAYLOAD_TTL_S_MIN} to "
            f"{PAYLOAD_TTL_S_MAX}",
        ),
    ] = PAYLOAD_TTL_S_MIN
    recogniser: Annotated[
        str,
        Field(
            validation_alias="CTXASR_RECOGNISER",
            pattern=r"^[A-Za-z0-9_.-]+(:.*)?$",
            description="NAME or NAME:ARGUMENT, as pocketsphinx or whisper:base.en,",
        ),
    ] = ""
    read_budget_ms: Annotated[
        float,
        Field(
            validation_alias="CTXASR_READ_BUDGET_MS",
            ge=0.0,
            le=READ_BUDGET_MS_MAX,
            allow_inf_nan=False,
            description=f"milliseconds from 0 to {READ_BUDGET_MS_MAX:.0f}",
        ),
    ] = 0.0


def from_environment() -> dict[str, Any]:
    """The settings that the environment names, by their fields; what is not set is left out.

    Raises:
        InputError: names each wrong variable, its value, and what would be right.
    """
    try:
        settings = _Environment()
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = dict.fromkeys(str(one["loc"][0]) for one in found)
        raise InputError("; ".join(map(_why, wrong))) from None
    return {field: getattr(settings, field) for field in settings.model_fields_set}


def variables() -> dict[str, tuple[str, ...]]:
    """Each field with the variables that set it; the first one that is set counts."""
    found = {}
    for name, field in _Environment.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        found[name] = tuple(map(str, choices))
    return found


def misspelt() -> dict[str, str]:
    """Variables that begin as ours do and are none, each with the one that was perhaps meant."""
    known = [*OTHERS, *(name for names in variables().values() for name in names)]
    ours = [name for name in known if name.startswith(PREFIX)]
    return {
        name: next(iter(difflib.get_close_matches(name, ours, 1, SIMILAR)), "")
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in ours
    }


def _why(alias: str) -> str:
    """What is wrong with the field that has this alias."""
    field, names = next(one for one in variables().items() if alias in one[1])
    name = next((name for name in names if os.environ.get(name)), alias)
    # A URL may hold a password.
    value = re.sub(r"//[^/]*@", "//...@", os.environ.get(name, ""))[:SHOWN_CHARS_MAX]
    right = (_Environment.model_fields[field].description or "").rstrip(",")
    return f"{name} is {value!r}: {right} would be right"
