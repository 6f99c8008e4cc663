"""Settings: each wrong variable named with its value; what is set to nothing is not set."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

import ctxasr
from ctxasr.app import Settings
from ctxasr.errors import InputError, StoreUnavailable
from ctxasr.report import doctor
from ctxasr.settings import (
    OTHERS,
    PAYLOAD_TTL_S_MAX,
    PAYLOAD_TTL_S_MIN,
    TABLE_PREFIX_CHARS_MAX,
    variables,
)
from ctxasr.store.caller import ATTEMPTS_MAX, Caller
from ctxasr.store.clients import LOCAL_REGION, Endpoint, clients
from ctxasr.timing import READ_BUDGET_MS_MAX

OURS = [*OTHERS, *(name for names in variables().values() for name in names)]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
LOCAL = Endpoint("http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither variables nor files of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("CTXASR_", "AWS_")) or name.upper() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


ARN = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def test_each_variable_sets_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "CTXASR_ENDPOINT_URL": "http://127.0.0.1:8000", "CTXASR_KMS_ENDPOINT_URL": "https://kms",
        "CTXASR_KMS_KEY": "alias/other", "CTXASR_KMS_PREVIOUS_KEYS": f" {ARN}  two ",
        "CTXASR_TABLE_PREFIX": "ours-dev", "CTXASR_PAYLOAD_TTL_S": "600",
        "CTXASR_READ_BUDGET_MS": "150.5",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment() == Settings(
        endpoint_url="http://127.0.0.1:8000", kms_endpoint_url="https://kms",
        kms_key="alias/other", kms_previous_keys=(ARN, "two"), table_prefix="ours-dev",
        payload_ttl_s=600, read_budget_ms=150.5,
    )  # fmt: skip


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.setenv(name, "")
    assert Settings.from_environment() == Settings()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one:1")
    assert Settings.from_environment().endpoint_url == "http://one:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://two:2")
    assert Settings.from_environment().endpoint_url == "http://two:2"
    monkeypatch.setenv("CTXASR_ENDPOINT_URL", "aws")
    assert Settings.from_environment().endpoint == Endpoint(None, None, None)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("CTXASR_PAYLOAD_TTL_S", "an hour", "a whole number of seconds from 10 to 2592000"),
        ("CTXASR_PAYLOAD_TTL_S", str(PAYLOAD_TTL_S_MIN - 1), "a whole number of seconds from 10"),
        ("CTXASR_PAYLOAD_TTL_S", str(PAYLOAD_TTL_S_MAX + 1), "a whole number of seconds from 10"),
        ("CTXASR_PAYLOAD_TTL_S", "60.5", "a whole number of seconds"),
        ("CTXASR_READ_BUDGET_MS", "-1", "milliseconds from 0 to 60000"),
        ("CTXASR_READ_BUDGET_MS", str(READ_BUDGET_MS_MAX + 1), "milliseconds from 0 to 60000"),
        ("CTXASR_READ_BUDGET_MS", "nan", "milliseconds from 0 to 60000"),
        ("CTXASR_READ_BUDGET_MS", "50ms", "milliseconds from 0 to 60000"),
        ("CTXASR_ENDPOINT_URL", "localhost:8000", "a URL as http://127.0.0.1:8000, or aws"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "localhost", "a URL as http://127.0.0.1:8000, or aws"),
        ("AWS_ENDPOINT_URL", "ftp://x", "a URL as http://127.0.0.1:8000, or aws"),
        ("CTXASR_KMS_ENDPOINT_URL", "aws", "a URL as http://127.0.0.1:8000"),
        ("AWS_ENDPOINT_URL_KMS", "kms", "a URL as http://127.0.0.1:8000"),
        ("CTXASR_KMS_KEY", "alias/a alias/b", "the id, ARN or alias of one key, as alias/ctxasr"),
        ("CTXASR_KMS_KEY", "alias/a,alias/b", "the id, ARN or alias of one key, as alias/ctxasr"),
        ("CTXASR_KMS_PREVIOUS_KEYS", "alias/a, alias/b", "separated by blanks"),
        ("CTXASR_KMS_PREVIOUS_KEYS", "one;two", "separated by blanks"),
        ("CTXASR_ENDPOINT_URL", "http://a b", "a URL as http://127.0.0.1:8000, or aws"),
        ("CTXASR_ENDPOINT_URL", "http://host\n:80", "a URL as http://127.0.0.1:8000, or aws"),
        ("CTXASR_TABLE_PREFIX", "ours/dev", "letters, digits, '_', '.' and '-', at most 240"),
        ("CTXASR_TABLE_PREFIX", "x" * (TABLE_PREFIX_CHARS_MAX + 1), "at most 240 of them"),
    ],
)
def test_a_wrong_setting_names_itself_its_value_and_what_is_right(
    name: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    wanted = f"{re.escape(name)} is {re.escape(repr(value[:80]))}: .*{re.escape(right)}"
    with pytest.raises(InputError, match=f"^{wanted}.* would be right$"):
        Settings.from_environment()


def test_settings_at_their_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    for ttl_s, budget_ms in ((PAYLOAD_TTL_S_MIN, 0.0), (PAYLOAD_TTL_S_MAX, READ_BUDGET_MS_MAX)):
        monkeypatch.setenv("CTXASR_PAYLOAD_TTL_S", str(ttl_s))
        monkeypatch.setenv("CTXASR_READ_BUDGET_MS", str(budget_ms))
        found = Settings.from_environment()
        assert (found.payload_ttl_s, found.read_budget_ms) == (ttl_s, budget_ms)
    monkeypatch.setenv("CTXASR_TABLE_PREFIX", "x" * TABLE_PREFIX_CHARS_MAX)
    assert len(Settings.from_environment().table_prefix) == TABLE_PREFIX_CHARS_MAX


def test_all_wrong_settings_are_named_at_once_and_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTXASR_PAYLOAD_TTL_S", "x")
    monkeypatch.setenv("CTXASR_READ_BUDGET_MS", "y")
    monkeypatch.setenv("CTXASR_ENDPOINT_URL", "ftp://me:wombat@host")
    with pytest.raises(InputError) as raised:
        Settings.from_environment()
    said = str(raised.value)
    assert "CTXASR_PAYLOAD_TTL_S is 'x'" in said
    assert "CTXASR_READ_BUDGET_MS is 'y'" in said
    assert "wombat" not in said


def test_every_variable_that_the_package_reads_is_known_to_the_doctor() -> None:
    read = set()
    for path in Path(ctxasr.__file__).parent.rglob("*.py"):
        read |= set(re.findall(r"\bCTXASR_[A-Z_]+[A-Z]\b", path.read_text()))
    assert read == {name for name in OURS if name.startswith("CTXASR_")}


def test_the_doctor_warns_of_misspelt_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [check for check in doctor._CHECKS if check[0] in ("settings", "spelling")]
    monkeypatch.setattr(doctor, "PACKAGES", ())
    monkeypatch.setattr(doctor, "_CHECKS", tuple(wanted))
    assert all(check.present for check in doctor.examine())
    monkeypatch.setenv("CTXASR_READ_BUGDET_MS", "50")
    monkeypatch.setenv("CTXASR_QQ_WW", "1")
    monkeypatch.setenv("CTXASR_PAYLOAD_TTL_S", "1 h")
    found = {check.name: check for check in doctor.examine()}
    assert found["spelling"].fine
    assert not found["spelling"].present
    named = "unknown: CTXASR_QQ_WW, CTXASR_READ_BUGDET_MS (CTXASR_READ_BUDGET_MS?)"
    assert found["spelling"].found == named
    assert not found["settings"].fine
    assert found["settings"].found.startswith("CTXASR_PAYLOAD_TTL_S is '1 h'")


# ---------------------------------------------------------------- AWS's own variables


async def region_of(endpoint: Endpoint) -> str:
    async with clients(endpoint) as (dynamodb, _):
        return str(dynamodb.meta.region_name)


async def test_an_empty_variable_of_aws_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
                 "AWS_DEFAULTS_MODE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):  # fmt: skip
        monkeypatch.setenv(name, "")
    assert await region_of(LOCAL) == LOCAL_REGION
    with pytest.raises(StoreUnavailable, match="no region is set; AWS_REGION with a region as"):
        await region_of(Endpoint())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert await region_of(LOCAL) == await region_of(Endpoint()) == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert await region_of(Endpoint()) == "eu-west-2"
    assert await region_of(Endpoint(region="us-east-2")) == "us-east-2"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize(
    "region",
    ["eu-west1", "eu-west-1a", "EU-WEST-1", "https://dynamodb.eu-west-1.amazonaws.com", "eu west 1",
     " eu-west-1", "eu-west-1 ", "europe", "Frankfurt", "eu_west_1", "eu-west-1.evil.example"],
)  # fmt: skip
async def test_a_malformed_region_is_named_as_a_region(
    name: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, region)
    wanted = f"^{name} is {re.escape(repr(region))}: a region as eu-west-1 would be right$"
    with pytest.raises(InputError, match=wanted):
        await region_of(Endpoint())


@pytest.mark.parametrize(
    "region", ["eu-west-1", "us-gov-west-1", "us-isob-east-1", "cn-north-1", "mx-central-1",
               "ap-southeast-5", "eusc-de-east-1"],
)  # fmt: skip
async def test_real_regions_are_taken(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    assert await region_of(Endpoint()) == region


async def test_another_server_takes_any_label_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for region in ("local", "localhost", "eu-west1", "None"):
        monkeypatch.setenv("AWS_REGION", region)
        assert await region_of(LOCAL) == region
    for region in ("a b", "a/b", "a.b@c", "-a", "x" * 64):
        with pytest.raises(InputError, match=r"^region is .* would be right$"):
            await region_of(Endpoint(LOCAL.url, region=region))


async def test_a_profile_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnavailable, match="nobody"):
        await region_of(Endpoint())


# ---------------------------------------------------------------- what failed requests say


async def no_pause(_: float) -> None:
    """Back-off without waiting."""


THROTTLES = [
    ("dynamodb", "get_item", "ProvisionedThroughputExceededException"),
    ("dynamodb", "get_item", "ThrottlingException"),
    ("dynamodb", "get_item", "RequestLimitExceeded"),
    ("kms", "generate_data_key", "ThrottlingException"),
    ("kms", "generate_data_key", "LimitExceededException"),
]


@pytest.mark.parametrize(("service", "operation", "code"), THROTTLES)
async def test_throttling_is_reported_as_throttling(
    service: str, operation: str, code: str
) -> None:
    asked = 0

    async def refuse(**_: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, operation)

    client = SimpleNamespace(meta=SimpleNamespace(endpoint_url=f"https://{service}"))
    setattr(client, operation, refuse)
    with pytest.raises(StoreUnavailable) as raised:
        await Caller(sleep=no_pause)(client, operation)
    assert asked == ATTEMPTS_MAX
    said = str(raised.value)
    assert said.startswith(f"https://{service} throttled {operation} ({code})")
    assert "AWS settings" not in said


@pytest.mark.parametrize(
    ("proxy", "no_proxy", "named"),
    [
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, "", "HTTP_PROXY is set: "),
        ({"http_proxy": "http://127.0.0.1:9"}, "", "http_proxy is set: "),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "", ""),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, "127.0.0.1", ""),
        ({"HTTP_PROXY": ""}, "", ""),
        ({}, "", ""),
    ],
)
async def test_a_dead_proxy_mentions_no_proxy(
    proxy: dict[str, str], no_proxy: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in proxy.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", no_proxy)

    async with clients(LOCAL) as (dynamodb, _):
        with pytest.raises(StoreUnavailable) as raised:
            await Caller(sleep=no_pause)(dynamodb, "list_tables")
    said = str(raised.value)
    assert named in said
    assert ("NO_PROXY=127.0.0.1 goes past it" in said) == bool(named), said
    assert ("Proxy" in said) == bool(named), "which error it was"


async def test_our_own_server_is_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async with clients(Endpoint(LOCAL.url, None, LOCAL_REGION, "key", "secret")) as (dynamodb, _):
        with pytest.raises(StoreUnavailable) as raised:
            await Caller(sleep=no_pause)(dynamodb, "list_tables")
    assert "PROXY" not in str(raised.value)
