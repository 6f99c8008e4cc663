"""Bearer tokens: which customer is calling, and perhaps from which device.

The file of tokens is YAML or JSON and holds no token, only what SHA-256 makes of it:

    "9f86d081...": meg
    "60303ae2...": {customer: meg, device: kitchen}

A token is 32 random bytes, so its plain SHA-256 cannot be tried out (RFC 6750 for the header).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from ctxasr.charset import decoded
from ctxasr.documents import describe
from ctxasr.envelopes import Identifier
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.gateway.http.limits import TOKENS_FILE_BYTES_MAX, TOKENS_MAX

TOKEN_BYTES: Final = 32

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BEARER: Final = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]{1,512}) *")
_TOO_OPEN: Final = stat.S_IWGRP | stat.S_IRWXO
"""Whoever can write the file can be any customer; others need not even read it."""


class Grant(BaseModel):
    """Whom a token names. With a `device`, requests are taken to come from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    customer: Annotated[Identifier, StringConstraints(pattern=r"^[!-~]+$")]
    device: Identifier | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that open the door, by their SHA-256 as 64 hex digits."""

    grants: Mapping[str, Grant]

    def grant(self, authorization: bytes | None) -> Grant | None:
        """Whom an Authorization header names; None if nobody.

        The time that looking a digest up takes tells of digests, and none leads to its token.
        """
        match = _BEARER.fullmatch(authorization or b"")
        if match is None:
            return None
        return self.grants.get(hashlib.sha256(match[1]).hexdigest())

    @property
    def customers(self) -> frozenset[str]:
        return frozenset(grant.customer for grant in self.grants.values())


def mint(customer: str) -> tuple[str, str]:
    """A new token, and the line for the file of tokens.

    Raises:
        InputError: no customer can be named so.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    grant = _grant(customer, "--token-for")
    return token, f"{json.dumps(_digest(token))}: {json.dumps(grant.customer)}\n"


def only(customer: str) -> tuple[str, Tokens]:
    """A new token that is in no file, for as long as the process lives."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, Tokens({_digest(token): Grant(customer=customer)})


def load_tokens(path: Path) -> Tokens:
    """Read a file of tokens.

    Raises:
        InputError: missing, too open, malformed, or without any token; names file and line.
        LimitExceeded: more than TOKENS_MAX, or a file over TOKENS_FILE_BYTES_MAX.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = _text(path)
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:  # its message quotes the line
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise InputError(f"{path}:{line}: not YAML, or a token twice") from None
    except (YAMLError, RecursionError, ValueError):
        raise InputError(f'{path}: not YAML; give lines of "SHA-256": customer') from None
    if not isinstance(document, dict) or not document:
        raise InputError(f"{path}: holds no tokens; `ctxasr serve --token-for NAME` prints a line")
    if len(document) > TOKENS_MAX:
        raise LimitExceeded("TOKENS_MAX", TOKENS_MAX, len(document), str(path))
    grants = {}
    for number, (digest, value) in enumerate(document.items(), 1):
        where = f"{path}: entry {number}"
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InputError(f"{where}: the key must be SHA-256 in quotes, 64 lower hex digits")
        grants[digest] = _grant(value, where)
    return Tokens(grants)


def _grant(value: Any, where: str) -> Grant:
    if not isinstance(value, str | dict):
        raise InputError(f"{where}: the customer must be a text; write it in quotes")
    given = {"customer": value} if isinstance(value, str) else value
    try:
        return Grant.model_validate(given)
    except ValidationError as error:
        raise InputError(
            f"{where}: {describe(error)}; a customer is 1 to 256 visible ASCII "
            "characters; a number is written in quotes"
        ) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if os.name == "posix" and stat.S_IMODE(found.st_mode) & _TOO_OPEN:
                raise InputError(f"{path}: open to others; `chmod 600` it")
            if os.name == "posix" and found.st_uid not in (0, os.geteuid()):
                raise InputError(f"{path}: belongs to another user; it must be yours or root's")
            data = file.read(TOKENS_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: the file of tokens cannot be read ({error.strerror})") from None
    if len(data) > TOKENS_FILE_BYTES_MAX:
        size = len(data)
        raise LimitExceeded("TOKENS_FILE_BYTES_MAX", TOKENS_FILE_BYTES_MAX, size, str(path))
    try:
        return decoded(data)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8") from None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
