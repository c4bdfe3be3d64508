"""The sandbox's own clients: one for each service and Region, bound to as many accounts as there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from moto import mock_aws

from kmssim.sandbox import reader
from kmssim.sandbox.reader import Reader

ACCOUNTS = ("111122223333", "444455556666", "777788889999")
client = Reader().client


@pytest.fixture(autouse=True)
def runtime():
    with mock_aws():
        yield


def account_of(account):
    return client("sts", account).get_caller_identity()["Account"]


def test_each_client_calls_from_its_own_account():
    assert [account_of(account) for account in ACCOUNTS] == list(ACCOUNTS)


def test_pages_are_of_the_account_whoever_is_asked_meanwhile():
    for account in ACCOUNTS[:2]:
        for number in range(3):
            client("iam", account).create_user(UserName=f"{account}-{number}")
    pages = [
        client("iam", account).get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1})
        for account in ACCOUNTS[:2]
    ]
    for turn in zip(*pages, strict=True):
        for account, page in zip(ACCOUNTS, turn, strict=False):
            assert all(user["UserName"].startswith(account) for user in page["Users"])


def test_threads_do_not_call_from_each_others_accounts():
    wanted = [ACCOUNTS[number % 3] for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(account_of, wanted)) == wanted


def test_a_further_account_needs_no_further_client(monkeypatch):
    client("sts", ACCOUNTS[0])
    monkeypatch.setattr(reader, "_session", lambda: pytest.fail("a client was made"))
    assert account_of("123412341234") == "123412341234"
