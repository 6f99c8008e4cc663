"""Which requests the embedded server answers: those of this process, and what ctxasr asks for.

moto answers whoever asks, for every service that it knows, and lets every web page read the answer.
So this stands before it, as a WSGI application: a request that fails one of the conditions of
`Admission.admits` gets one and the same refusal, and moto never sees it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from hmac import compare_digest
from typing import Any, Final

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

BODY_BYTES_MAX: Final = 1_000_000
"""Of one request. The largest item, 400,000 bytes, takes 540,000 in JSON."""

OPERATIONS: Final[Mapping[str, frozenset[str]]] = {
    "dynamodb": frozenset(
        "DynamoDB_20120810." + name
        for name in (
            "CreateTable", "DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive",
            "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem",
        )
    ),
    "kms": frozenset(
        "TrentService." + name
        for name in (
            "CreateKey", "DescribeKey", "CreateAlias", "ScheduleKeyDeletion",
            "GenerateDataKey", "Decrypt",
        )
    ),
}  # fmt: skip
"""By the service that a request is signed for: all that ctxasr asks of it, as X-Amz-Target."""

OF_A_PAGE: Final = ("HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_")
"""How headers begin that browsers add and AWS clients do not."""

_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential="
    r"(?P<key>\w+)/\d{8}/[a-z0-9-]+/(?P<service>[a-z0-9-]+)/aws4_request,"
)

_REFUSAL: Final = json.dumps({"__type": "AccessDeniedException", "message": "refused"}).encode()


class Admission:
    """Hands on the requests that it admits, one account's, with their bodies read.

    `access_key` is the secret: it opens the server, and nothing else does. `known` is told of each
    request that carries it, before anything else is looked at.
    """

    def __init__(
        self,
        application: Application,
        access_key: str,
        operations: Mapping[str, frozenset[str]] = OPERATIONS,
        known: Callable[[Environ], None] = lambda environ: None,
    ) -> None:
        self._application, self._key = application, access_key.encode()
        self._operations, self._known = operations, known
        self.host = ""
        """Address and port as the clients write them; set when the port is known."""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if not self.admits(environ):
            start_response("403 Forbidden", [("Content-Type", "application/x-amz-json-1.0")])
            return [_REFUSAL]
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))  # not while moto is held

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers = [one for one in headers if not one[0].lower().startswith("access-control-")]
            return start_response(status, headers, exc_info)

        return self._application(environ | {"wsgi.input": io.BytesIO(body)}, start)

    def admits(self, environ: Environ) -> bool:
        """Whether the request is this process's, and one that ctxasr makes.

        Each condition closes a way in of its own; tests/threats/attacks/store_*.py go them.
        """
        signed = _SIGNED.match(environ.get("HTTP_AUTHORIZATION", ""))
        if signed is None:
            return False
        if not compare_digest(signed["key"].encode(), self._key):
            return False
        self._known(environ)
        if environ.get("HTTP_HOST") != self.host:
            return False
        if any(name.startswith(OF_A_PAGE) for name in environ):
            return False
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", "/"):
            return False
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target not in self._operations.get(signed["service"], ()):
            return False
        length = environ.get("CONTENT_LENGTH", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or "HTTP_TRANSFER_ENCODING" in environ:
            return False
        return int(length) <= BODY_BYTES_MAX
