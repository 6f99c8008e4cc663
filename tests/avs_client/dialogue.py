"""A dialogue by alexa-client, unmodified but for the address, and whom it trusts.

Run by tests/integration/test_avs_client.py with the Python of tests/avs_client/.venv. Each line on
stdin is a file of sound to send under the dialogRequestId "d1", as the client's own demonstration
does after a question; each line on stdout is what came back.
"""

import collections
import collections.abc
import json
import os
import sys

for name in ("Callable", "Iterable", "Mapping", "MutableMapping", "MutableSet", "Sequence"):
    if not hasattr(collections, name):  # Python 3.10 has moved them; its libraries are older
        setattr(collections, name, getattr(collections.abc, name))

import hyper.tls  # type: ignore[import-not-found]  # noqa: E402
from alexa_client import AlexaClient  # type: ignore[import-not-found]  # noqa: E402


def main(address: str, certificate: str, token_url: str) -> None:
    hyper.tls._context = hyper.tls.init_context(cert_path=certificate)
    hyper.tls._context.check_hostname = False  # Python 3.12 lacks what hyper does it with
    client = AlexaClient("id", "secret", "refresh", base_url=address)
    client.authentication_manager.oauth2_manager.access_token_url = token_url
    client.connect()
    print("connected", flush=True)
    for line in sys.stdin:
        with open(line.strip(), "rb") as sound:
            directives = client.send_audio_file(sound, dialog_request_id="d1")
        found = [directive.directive for directive in directives or []]
        assert client.ping().status == 204
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # its timer for pings would wait for minutes
