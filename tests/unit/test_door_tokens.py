"""Tokens: the file, what is wrong with it, and whom a header names."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from pathlib import Path

import pytest
from conftest import Command

from ctxasr.cli import serve
from ctxasr.errors import InputError, LimitExceeded
from ctxasr.gateway.http import auth, limits
from ctxasr.gateway.http.description import description


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "tokens.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


DIGEST = hashlib.sha256(b"secret").hexdigest()


def test_a_minted_token_opens_and_is_not_in_the_file(tmp_path: Path) -> None:
    (token, line), (_, other) = auth.mint("meg"), auth.mint("12")
    assert token not in line
    known = auth.load_tokens(written(tmp_path, line + other))
    assert known.customers == {"meg", "12"}
    grant = known.grant(f"Bearer {token}".encode())
    assert grant is not None
    assert (grant.customer, grant.device) == ("meg", None)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_device_may_be_named(tmp_path: Path, form: str) -> None:
    value = {"customer": "meg", "device": "kitchen"}
    text = json.dumps({DIGEST: value})
    if form == "yaml":
        text = f'"{DIGEST}": {{customer: meg, device: kitchen}}\n'
    known = auth.load_tokens(written(tmp_path, text))
    assert known.grant(b"Bearer secret") == auth.Grant.model_validate(value)


@pytest.mark.parametrize(
    "header", [None, b"", b"secret", b"Bearer", b"Bearer ", b"Basic secret", b"Bearer secret x",
               b"Bearer secre", b"Bearer secret\xff", b"Bearer " + b"a" * 513],
)  # fmt: skip
def test_other_headers_name_nobody(header: bytes | None) -> None:
    known = auth.Tokens({DIGEST: auth.Grant(customer="meg")})
    assert known.grant(b"bearer  secret") is not None
    assert known.grant(header) is None
    empty = auth.Tokens({hashlib.sha256(b"").hexdigest(): auth.Grant(customer="meg")})
    assert empty.grant(header) is None, "nor does the hash of nothing"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no tokens"),
        ("- a\n", "holds no tokens"),
        (f'"{DIGEST}": meg\n"{DIGEST}": otto\n', ":2: not YAML, or a token twice"),
        (f'"{DIGEST}": "meg\n', "not YAML"),
        (f'"{DIGEST[:-1]}": meg\n', "entry 1: the key must be SHA-256"),
        (f'"{DIGEST.upper()}": meg\n', "entry 1: the key must be SHA-256"),
        (f'"{DIGEST}": 12\n', "entry 1"),
        (f'"{DIGEST}": ""\n', "entry 1: customer"),
        (f'"{DIGEST}": "two words"\n', "entry 1: customer"),
        (f'"{DIGEST}": {{customer: meg, role: all}}\n', "entry 1: role"),
        ("&a [*a, *a]", "holds no tokens"),
        ("!!python/object:os.system {}", "not YAML"),
        (b"\xff", "not UTF-8"),
        ("[" * 1_000, "not YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=said) as caught:
        auth.load_tokens(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "meg" not in str(caught.value).replace(str(path), "")


def test_limits_of_the_file(tmp_path: Path) -> None:
    def lines(count: int) -> str:
        return json.dumps(
            {hashlib.sha256(str(n).encode()).hexdigest(): "meg" for n in range(count)}
        )

    most = auth.load_tokens(written(tmp_path, lines(limits.TOKENS_MAX)))
    assert len(most.grants) == limits.TOKENS_MAX
    with pytest.raises(LimitExceeded, match="TOKENS_MAX"):
        auth.load_tokens(written(tmp_path, lines(limits.TOKENS_MAX + 1)))
    line = f'"{DIGEST}": meg\n'.encode()
    full = line + b"#" * (limits.TOKENS_FILE_BYTES_MAX - len(line))
    assert auth.load_tokens(written(tmp_path, full)).customers == {"meg"}
    with pytest.raises(LimitExceeded, match="TOKENS_FILE_BYTES_MAX"):
        auth.load_tokens(written(tmp_path, full + b"#"))


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path) -> None:
    line = f'"{DIGEST}": meg\n'
    for mode in (0o600, 0o400, 0o640):
        assert auth.load_tokens(written(tmp_path, line, mode)).customers == {"meg"}
        written(tmp_path, line)
    for mode in (0o604, 0o620, 0o602, 0o644, 0o666):
        with pytest.raises(InputError, match="chmod 600"):
            auth.load_tokens(written(tmp_path, line, mode))


# ---------------------------------------------------------------- the command


def test_wrong_beginnings_are_one_sentence_and_exit_code_2(
    tmp_path: Path, command: Command
) -> None:
    tokens = written(tmp_path, f'"{DIGEST}": meg\n')
    open_to_all = tmp_path / "open.yaml"
    open_to_all.write_text(f'"{DIGEST}": meg\n')
    open_to_all.chmod(0o644)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options, said in (
            (["--host", "0.0.0.0"], "give --tokens"),  # noqa: S104
            (["--host", "203.0.113.1", "--tokens", tokens], "cannot be listened on"),
            (["--port", port], f"127.0.0.1:{port}: cannot be listened on"),
            (["--tokens", tmp_path / "none.yaml"], "none.yaml: the file of tokens cannot be read"),
            (["--tokens", tmp_path], "cannot be read"),
            (["--tokens", open_to_all], "chmod 600"),
            (["--token-for", "two words"], "visible ASCII"),
        ):
            done = command("serve", *options)
            assert done.code == 2, options
            assert said in done.err
            errors = [line for line in done.err.splitlines() if "warning: " not in line]
            assert len(errors) == 1


def test_token_for_prints_the_line_and_apart_from_it_the_token(
    tmp_path: Path, command: Command
) -> None:
    done = command("serve", "--token-for", "meg")
    assert done.code == 0
    known = auth.load_tokens(written(tmp_path, done.out))
    token = done.err.split()[-1]
    assert known.grant(f"Bearer {token}".encode()) == auth.Grant(customer="meg")


def test_a_missing_extra_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    done = command("serve", "--openapi")
    assert (done.code, done.out) == (2, "")
    assert "pip install 'ctxasr[serve]'" in done.err


def test_the_command_repeats_the_limits_that_it_cannot_import() -> None:
    assert (serve.RATE, serve.RATE_MAX) == (limits.RATE_PER_MIN, limits.RATE_PER_MIN_MAX)


def test_the_page_says_the_limits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()
    for number in (
        limits.JSON_BYTES_MAX, limits.PCM_BYTES_MAX, limits.RATE_PER_MIN, limits.REQUESTS_MAX,
        limits.CONNECTIONS_MAX, limits.HEADERS_MAX,
    ):  # fmt: skip
        assert f" {number:,}" in page
    for path in description()["paths"]:
        assert f"`GET {path}`" in page or f"`POST {path}`" in page or f"`DELETE {path}`" in page


def test_the_description_is_printed_without_starting(command: Command) -> None:
    (found,) = command("serve", "--openapi").turns
    assert found["openapi"].startswith("3.1")
    for path, methods in found["paths"].items():
        for operation in methods.values():
            guarded = path not in ("/healthz", "/readyz")
            assert guarded == ("security" in operation), path
            assert guarded == ("401" in operation["responses"]), path
