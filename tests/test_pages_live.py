"""The decisions of a running `kmssim serve` as pages: the newest first, each with its own, for this machine only."""

from __future__ import annotations

import http.client

import pytest
from botocore.exceptions import ClientError
from page_texts import SCENARIO, embedded, words
from serve_process import running
from test_serve import HERE, KEY_ID
from test_serve import SCENARIO as SERVED

from kmssim.evaluator.pdp import decide
from kmssim.pages.live import SHOWN, LivePages

DECISIONS = [decide(SCENARIO.world, request.call) for request in SCENARIO.requests]


def filled(kept: int, count: int) -> LivePages:
    pages = LivePages(kept)
    for at in range(count):
        pages.add(DECISIONS[at % len(DECISIONS)])
    return pages


def test_before_the_first_call_the_list_says_what_to_do():
    status, page = LivePages(5)("")
    assert status == 200
    assert "No decision yet. Make a call" in words(page)


def test_the_list_has_the_newest_first_and_no_time():
    data = embedded(filled(10, 4)("")[1])["decisions"]
    assert [one["number"] for one in data] == [4, 3, 2, 1]
    assert data[0]["operation"] == DECISIONS[3].call.operation
    assert filled(10, 4)("") == filled(10, 4)("")


def test_a_decision_keeps_its_number_when_older_ones_go():
    pages = filled(2, 5)
    assert [one["number"] for one in embedded(pages("")[1])["decisions"]] == [5, 4]
    status, page = pages("decisions/4")
    assert status == 200
    assert embedded(page)["decision"]["operation"] == DECISIONS[3].call.operation
    assert "← Back" in words(page)
    assert 'href="../"' in page


def test_a_long_list_is_cut_and_says_so():
    page = filled(SHOWN + 20, SHOWN + 10)("")[1]
    assert len(embedded(page)["decisions"]) == SHOWN
    assert f"The last {SHOWN} of {SHOWN + 10} decisions" in words(page)


@pytest.mark.parametrize(
    "path",
    ["decisions/0", "decisions/3", "decisions/6", "decisions/-1", "decisions/", "decisions/٤", "else", "9" * 5000],
)
def test_what_is_not_there_is_a_page_that_leads_back(path):
    status, page = filled(2, 5)(path)
    assert status == 404
    assert "There is no such page" in words(page)
    assert f'href="{"../" if "/" in path else "./"}"' in page


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("live"), scenario=SERVED) as server:
        yield server


def ask(server, path: str, method: str = "GET", **headers: str):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read().decode()


def test_a_call_is_in_the_list_of_the_server_and_has_a_page(server):
    with pytest.raises(ClientError):
        server.client(f"kmssim-{HERE}-app").disable_key(KeyId=KEY_ID)
    status, headers, page = ask(server, "/_kmssim/")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/html; charset=utf-8", "no-store")
    newest = embedded(page)["decisions"][0]
    assert (newest["operation"], newest["decision"]) == ("kms:DisableKey", "DENY")
    status, _, page = ask(server, f"/_kmssim/decisions/{newest['number']}")
    assert status == 200
    assert newest["because"] in words(page)


def test_without_its_slash_the_list_is_found_as_well(server):
    status, headers, _ = ask(server, "/_kmssim")
    assert (status, headers["Location"]) == (308, "/_kmssim/")


def test_reading_pages_makes_no_decision(server):
    before = embedded(ask(server, "/_kmssim/")[2])["decisions"]
    ask(server, "/_kmssim/decisions/1")
    assert embedded(ask(server, "/_kmssim/")[2])["decisions"] == before


def test_pages_are_for_browsers_on_this_machine_and_cannot_be_framed(server):
    for headers in ({"Origin": "http://example.com"}, {"Host": "example.com"}):
        assert ask(server, "/_kmssim/", **headers)[0] == 403
    assert ask(server, "/_kmssim/")[1]["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_are_only_to_be_read(method, server):
    assert ask(server, "/_kmssim/", method)[0] == 405
