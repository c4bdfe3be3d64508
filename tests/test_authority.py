"""The decision authority: Rego rules as Python does, on every engine, and whatever goes wrong ends in a refusal."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations, islice
from multiprocessing import get_context
from pathlib import Path

import pytest
from opa_stub import OpaStub

from kmssim import authority
from kmssim.authority import begin_to_find, engines, find_authority, find_engine
from kmssim.authority.conformance import check, domain, malformed_documents
from kmssim.authority.engines import ENGINES
from kmssim.authority.exchange import read_ruling, write_facts
from kmssim.authority.policy import DIGEST, POLICY, POLICY_PATH, VERSION
from kmssim.authority.rego import KeptRulings
from kmssim.authority.server import OpaServer
from kmssim.errors import AuthorityDisagreementError, AuthorityError, InputError
from kmssim.evaluator.combine import PYTHON, combine
from kmssim.evaluator.decision import Layer, PathKind, Reason, Ruling, Verdict
from kmssim.evaluator.pdp import decide
from kmssim.scenario import load_scenario

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "labs" / "01_key_policy_must_trust" / "scenario.json"
PARTS = 2
REAL_OPA = os.environ.get("KMSSIM_REAL_OPA")  # a folder with the package opa_bindings; .ci/run fetches it

each_engine = pytest.mark.parametrize("name", ENGINES)


def silent(_steps: int) -> None:
    """Nobody is watching."""


def some_facts(count=200, step=331):
    return list(islice(domain(whole=True), 0, count * step, step))


# ------------------------------------------------------------------------------------------------ agreement


def check_part(name, part, *, whole, each):
    """A process's share of the domain; a module-level function, so that another process can be told of it."""
    return check(ENGINES[name](), islice(domain(whole=whole), part * each, None, PARTS * each), silent)


def check_in_processes(name, *, whole, each=1):
    with ProcessPoolExecutor(PARTS, mp_context=get_context("fork")) as pool:
        reports = [pool.submit(check_part, name, part, whole=whole, each=each) for part in range(PARTS)]
        found = [report.result() for report in reports]
    malformed = sum(1 for _ in malformed_documents())
    assert [report["examples"] for report in found] == [[]] * PARTS
    assert sum(report["wrong"] for report in found) == 0
    return sum(report["asked"] for report in found) - PARTS * malformed


@pytest.mark.parametrize(("name", "each", "asked"), [("regorus", 1, 69_984), ("regopy", 5, 13_997)])
def test_rego_rules_as_python_does_on_inputs_without_a_denial(name, each, asked):
    """All of them; of the slower engine each fifth. Facts have two or three values each, so these hold all pairs."""
    assert check_in_processes(name, whole=False, each=each) == asked


def pairs_in(facts):
    """Every two values of two of the facts that occur together."""
    rows = [
        (*one.verdicts.values(), *(value for value in vars(one).values() if value is not one.verdicts)) for one in facts
    ]
    return {(*places, row[places[0]], row[places[1]]) for row in rows for places in combinations(range(len(row)), 2)}


@pytest.mark.exhaustive
def test_each_fifth_of_the_inputs_holds_all_pairs_of_facts():
    whole = list(domain(whole=False))
    wanted = pairs_in(whole)
    assert all(pairs_in(whole[start::5]) == wanted for start in range(5))


@pytest.mark.exhaustive
@each_engine
def test_rego_rules_as_python_does_on_every_input_without_a_denial(name):
    assert check_in_processes(name, whole=False) == 69_984


@pytest.mark.exhaustive
@each_engine
def test_rego_rules_as_python_does_on_every_input_there_is(name):
    assert check_in_processes(name, whole=True) == 491_520


@each_engine
def test_what_is_no_input_is_never_allowed(name):
    report = check(ENGINES[name](), [], silent)
    assert report == {"asked": sum(1 for _ in malformed_documents()), "wrong": 0, "examples": []}
    assert report["asked"] > 180


def test_the_check_notices_a_wrong_answer_and_one_that_is_none():
    class Liar:
        name = "liar"

        def ask(self, entry, document):
            if entry == "decision":
                return {"allowed": True, "reason": "allowed", "layers": ["grant"], "paths": ["grant"]}
            lies = [{"allowed": True, "reason": "allowed", "layers": ["grant"], "paths": []}, "yes"]
            return [lies[index % 2] for index, _ in enumerate(document["requests"])]

    report = check(Liar(), some_facts(10), silent)
    assert report["wrong"] == report["asked"] == 10 + sum(1 for _ in malformed_documents())
    assert any("which is no ruling" in example for example in report["examples"])


def test_an_engine_that_gives_too_few_answers_is_no_engine():
    class Short:
        name = "short"

        def ask(self, _entry, _document):
            return []

    with pytest.raises(AuthorityError, match="short does not give one answer for each of 10 inputs"):
        check(Short(), some_facts(10), silent)


@pytest.mark.skipif(REAL_OPA is None, reason="OPA's own library is not installed (KMSSIM_REAL_OPA names its folder)")
def test_a_real_opa_behind_the_rest_api_rules_as_python_does():
    sys.path.insert(0, REAL_OPA)
    from opa_bindings import OpaEngine  # noqa: PLC0415

    opa = OpaEngine()
    opa.add_policy("authority.rego", POLICY)

    def answer(rule, document):
        return opa.eval_document(f"kmssim.authz.{rule}", document)

    with OpaStub(answer) as stub:
        report = check(OpaServer(stub.url, timeout=20), domain(whole=False), silent)
    assert report["asked"] > 69_984
    assert report["examples"] == []


# ------------------------------------------------------------------------------------------------ the policy

CODE = "\n".join(line.partition("#")[0] for line in POLICY.splitlines())


@pytest.mark.parametrize(
    ("stumbling_block", "who"),
    [
        (r"some\s+\w+\s*,\s*\w+\s+in[^\n]*[\]}]", "rego-cpp: two variables in a comprehension"),
        (r"\bsprintf\b", "rego-cpp and opa-eval: sprintf"),
        (r"\$\"", "regorus: string interpolation"),
        (r"not\s+(?!readable)\w+\(", "OPA: `not` of a call on what may be undefined"),
        (r"\{\s*\w+\s*\|", "rego-cpp: sets by comprehension"),
    ],
)
def test_the_policy_keeps_to_what_every_engine_reads_alike(stumbling_block, who):
    assert not re.search(stumbling_block, CODE), who


def test_the_policy_speaks_the_words_of_the_evaluator():
    words = re.findall(r"^(?:layers|verdict_words|kinds) := \[(.*)\]$", POLICY, re.MULTILINE)
    listed = [json.loads(f"[{line}]") for line in words]
    assert [layer.value for layer in Layer] in listed
    assert [kind.value for kind in PathKind] in listed
    assert [verdict.value for verdict in Verdict] in listed
    assert set(re.findall(r'"reason": "(\w+)"', POLICY)) == {reason.value for reason in Reason} | {"invalid_input"}


def test_the_digest_is_that_of_the_file_that_ships():
    assert hashlib.sha256(POLICY_PATH.read_bytes()).hexdigest() == DIGEST
    assert f'version := "{VERSION}"' in POLICY


# ------------------------------------------------------------------------------------------------ choosing


def test_rego_by_the_default_engine_is_the_default():
    found = find_authority(environment={})
    assert found.shown.authority == "rego"
    assert re.fullmatch(r"regopy \d[\d.]*", found.shown.engine)
    assert found.shown.policy_digest == DIGEST


def test_the_second_engine_can_be_chosen_and_is_shown():
    found = find_authority("regorus")
    assert found.shown.authority == "rego"
    assert found.shown.engine.startswith("regorus 0.")


def test_python_can_be_chosen_and_shows_no_policy():
    found = find_authority("python")
    assert found is PYTHON
    assert (found.shown.authority, found.shown.policy_digest) == ("python", None)


def test_the_environment_chooses_where_nobody_else_does():
    assert find_authority(environment={"KMSSIM_AUTHORITY": "python"}) is PYTHON
    assert find_authority("rego", {"KMSSIM_AUTHORITY": "python"}).shown.authority == "rego"


def test_an_embedded_authority_is_loaded_once():
    assert find_authority("rego") is find_authority("regopy")


def test_an_authority_that_is_looked_for_meanwhile_is_the_same_or_the_same_error():
    assert begin_to_find("rego")() is find_authority("rego")
    begun = begin_to_find("opa!")
    with pytest.raises(InputError, match="there is no decision authority `opa!`"):
        begun()


@pytest.mark.parametrize("name", ["opa", "REGO", "ftp://127.0.0.1:8181", "127.0.0.1:8181"])
def test_a_name_that_means_nothing_is_refused_with_the_choices(name):
    with pytest.raises(
        InputError, match=r"no decision authority .*choose one of rego, regopy, regorus, python, http://"
    ):
        find_authority(name)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "61", "nan"])
def test_a_timeout_that_is_none_is_refused(seconds):
    with pytest.raises(InputError, match="KMSSIM_OPA_TIMEOUT"):
        find_authority("http://127.0.0.1:9", {"KMSSIM_OPA_TIMEOUT": seconds})


@each_engine
def test_a_platform_without_the_engine_is_told_its_three_ways_out(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # what an import finds where there is no wheel
    monkeypatch.setattr(authority, "_loaded", {})
    with pytest.raises(AuthorityError) as caught:
        find_authority(name)
    for way in ("pip install", "--authority http://127.0.0.1:8181", "--authority python"):
        assert way in str(caught.value)


def test_every_decision_shows_who_ruled():
    scenario = load_scenario(LAB)
    request = scenario.requests[0]
    by_rego = decide(scenario.world, request.call, find_authority("rego"))
    by_python = decide(scenario.world, request.call)
    assert (by_rego.authority, by_rego.ruled_by.policy_digest) == ("rego", DIGEST)
    assert (by_python.authority, by_python.ruled_by.policy_digest) == ("python", None)
    assert replace(by_rego, ruled_by=by_python.ruled_by) == by_python


# ------------------------------------------------------------------------------------------------ rulings, kept


class Counting:
    """An engine that says what it is told to, and counts."""

    name = "counting 1.0"

    def __init__(self, answer=None):
        self.answer, self.asked = answer, 0

    def ask(self, _entry, document):
        self.asked += 1
        return self.answer(document) if callable(self.answer) else self.answer


def as_answer(ruling):
    return {
        "allowed": ruling.allowed,
        "reason": ruling.reason.value,
        "layers": [layer.value for layer in Layer if layer in ruling.layers],
        "paths": [path.value for path in ruling.paths],
    }


def test_the_engine_is_asked_once_for_each_facts():
    facts = some_facts(50)
    rulings = [combine(one) for one in facts]
    engine = Counting(lambda document: as_answer(rulings[[write_facts(one) for one in facts].index(document)]))
    kept = KeptRulings(engine)
    assert [kept.rule(one) for one in facts] == rulings
    assert [kept.rule(replace(one)) for one in facts] == rulings
    assert engine.asked == len(facts)


def test_a_disagreement_refuses_the_call_shows_both_sides_and_is_not_kept():
    facts = next(one for one in some_facts() if not combine(one).allowed)
    allow = as_answer(Ruling(Reason.ALLOWED, frozenset({Layer.GRANT}), (PathKind.GRANT,)))
    engine = Counting(allow)
    kept = KeptRulings(engine)
    for _ in range(2):
        with pytest.raises(AuthorityDisagreementError) as caught:
            kept.rule(facts)
    assert engine.asked == 2
    for part in (
        "counting 1.0: allowed (layers: grant; paths: grant)",
        f"Python: {combine(facts).reason.value}",
        "facts: {",
    ):
        assert part in str(caught.value)


GOOD = {"allowed": True, "reason": "allowed", "layers": ["grant"], "paths": ["grant"]}
GARBAGE = [
    None, True, "allow", "<undefined>", [], {}, [GOOD], {**GOOD, "allowed": 1}, {**GOOD, "allowed": "true"},
    {**GOOD, "allowed": False}, {**GOOD, "reason": "explicit_deny"}, {**GOOD, "reason": "because"}, {**GOOD, "reason": None},
    {**GOOD, "layers": []}, {**GOOD, "layers": ["grants"]}, {**GOOD, "layers": "grant"}, {**GOOD, "layers": [["grant"]]},
    {**GOOD, "layers": ["grant", "grant"]}, {**GOOD, "paths": ["way"]}, {**GOOD, "paths": None}, {**GOOD, "more": 1},
    {name: value for name, value in GOOD.items() if name != "paths"},
    {"allowed": False, "reason": "invalid_input", "layers": [], "paths": []},
]  # fmt: skip


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda answer: json.dumps(answer)[:60])
def test_an_answer_that_is_no_ruling_is_no_answer(answer):
    with pytest.raises(AuthorityError, match="decision authority"):
        read_ruling(answer)


def test_a_ruling_is_read_as_it_was_written():
    for facts in some_facts():
        assert read_ruling(as_answer(combine(facts))) == combine(facts)


def test_an_engine_is_let_go_before_python_ends_whoever_still_has_it():
    """A failed test's frames may keep it; freed later, regopy prints what looks like a failure."""
    code = """
import atexit
atexit.register(lambda: print(engine._loaded))  # runs after what is registered later
from kmssim.authority.engines import RegoCpp
engine = RegoCpp()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@each_engine
def test_many_threads_get_right_rulings(name):
    facts = some_facts(120)
    rule = KeptRulings(ENGINES[name]()).rule
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rule, facts * 4)) == [combine(one) for one in facts * 4]


@each_engine
def test_an_engine_survives_a_question_that_it_cannot_answer(name):
    engine = ENGINES[name]()
    with pytest.raises(AuthorityError):
        engine.ask("no_such_rule", {})
    facts = some_facts(1)[0]
    assert read_ruling(engine.ask("decision", write_facts(facts))) == combine(facts)


def test_a_panic_outside_exception_is_an_error_and_an_interrupt_is_not():
    class PanicException(BaseException):
        pass

    def panic():
        raise PanicException("index out of bounds\nStack backtrace:\n0: rust_begin_unwind")

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(AuthorityError, match=r"index out of bounds$"):
        engines._guarded(panic)
    with pytest.raises(KeyboardInterrupt):
        engines._guarded(interrupt)


def test_a_policy_that_does_not_compile_is_an_error(monkeypatch, capfd):
    for name, load in ENGINES.items():
        monkeypatch.setattr(engines, "POLICY", "package kmssim.authz\nnonsense :=")
        with pytest.raises(AuthorityError):
            load().ask("decision", {})
        assert name
    capfd.readouterr()


# ------------------------------------------------------------------------------------------------ an OPA server


@pytest.fixture(scope="module")
def engine():
    return ENGINES["regopy"]()


@pytest.fixture
def opa(engine):
    with OpaStub(engine.ask) as stub:
        yield stub


def test_a_server_rules_and_is_shown(opa):
    found = find_authority(opa.url)
    assert (found.shown.authority, found.shown.engine, found.shown.policy_digest) == (
        "opa",
        f"OPA at {opa.url}",
        DIGEST,
    )
    for facts in some_facts(20):
        assert found.rule(facts) == combine(facts)
    path, body = opa.asked[-1]
    assert path == "/v1/data/kmssim/authz/decision"
    assert set(json.loads(body)) == {"input"}


def test_a_server_conforms_on_a_sample_and_on_malformed_input(opa):
    assert check(OpaServer(opa.url), some_facts(600), silent)["examples"] == []


def test_the_token_and_a_path_prefix_are_sent(engine):
    with OpaStub(engine.ask) as stub:
        find_engine(stub.url, {"KMSSIM_OPA_TOKEN": "s3cret"})
        assert stub.headers[-1]["Authorization"] == "Bearer s3cret"
        find_engine(stub.url, {})
        assert "Authorization" not in stub.headers[-1]
        with pytest.raises(AuthorityError, match="cannot be asked"):
            OpaServer(f"{stub.url}/opa/")
        assert stub.asked[-1][0] == "/opa/v1/data/kmssim/authz/version"


def test_a_server_with_another_version_of_the_policy_is_not_asked():
    with OpaStub(lambda _rule, _document: "kmssim.authz/0") as stub, pytest.raises(AuthorityError) as caught:
        find_authority(stub.url)
    assert "holds the policy 'kmssim.authz/0', not 'kmssim.authz/1'" in str(caught.value)
    assert "kmssim authority --policy" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://", "http://127.0.0.1:8181/?x=1", "http://me@127.0.0.1:8181", "http://[::1", "http://127.0.0.1:port"],
)
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(InputError, match="is not the URL of an OPA server"):
        OpaServer(url)


@pytest.mark.parametrize("host", ["opa.example.com", "10.0.0.7", "169.254.169.254", "127.1", "0.0.0.0"])  # noqa: S104
def test_a_server_off_this_machine_is_never_asked(host):
    with pytest.raises(InputError, match="is not on this machine, and nothing here leaves it"):
        OpaServer(f"http://{host}:8181")


def test_a_server_that_is_not_there_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(AuthorityError, match=r"cannot be asked .*every call is refused until it answers"):
        find_authority(f"http://127.0.0.1:{port}")
    assert time.monotonic() - start < 2


def hang(handler):
    time.sleep(1.5)
    handler.close_connection = True


FAULTS = {
    "hangs": (hang, "no answer in time"),
    "hangs up": (lambda handler: setattr(handler, "close_connection", True), "cannot be asked"),
    "says 500": (lambda handler: handler.reply(500, b'{"code": "internal_error"}'), "answered HTTP 500"),
    "says 401": (lambda handler: handler.reply(401, b'{"code": "unauthorized"}'), "answered HTTP 401"),
    "redirects": (lambda handler: handler.reply(302, b"", Location="http://example.com/"), "answered HTTP 302"),
    "has no policy": (lambda handler: handler.reply(200, b"{}"), "has no policy kmssim.authz"),
    "sends no JSON": (lambda handler: handler.reply(200, b"<html>"), "not JSON"),
    "sends a list": (lambda handler: handler.reply(200, b"[]"), "has no policy"),
    "sends nothing": (lambda handler: handler.reply(200, b""), "not JSON"),
    "sends half": (
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        "answer|asked",
    ),
    "sends noise": (lambda handler: handler.wfile.write(b"\x00\xff\r\n\r\n"), "cannot be asked"),
    "sends deep JSON": (lambda handler: handler.reply(200, b"[" * 100_000), "not JSON"),
    "sends too much": (lambda handler: handler.reply(200, b"[" + b" " * (5 << 20) + b"]"), "not JSON"),
    "says yes": (lambda handler: handler.reply(200, b'{"result": true}'), "is no ruling"),
    "allows all": (lambda handler: handler.reply(200, json.dumps({"result": GOOD}).encode()), "disagree"),
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_a_server_that_misbehaves_refuses_the_call(engine, fault, said):
    with OpaStub(engine.ask, fault) as stub:
        found = find_authority(stub.url, {"KMSSIM_OPA_TIMEOUT": "0.5"})
        denied = next(one for one in some_facts() if not combine(one).allowed)
        with pytest.raises(AuthorityError, match=said):
            found.rule(denied)


def test_a_kept_connection_that_the_server_closed_is_opened_once_more(engine):
    with OpaStub(engine.ask) as stub:
        server = OpaServer(stub.url)
        server._threads.connection.sock.shutdown(socket.SHUT_RDWR)
        facts = some_facts(1)[0]
        assert read_ruling(server.ask("decision", write_facts(facts))) == combine(facts)


def test_threads_ask_a_server_side_by_side(opa):
    facts = some_facts(60)
    rule = find_authority(opa.url).rule
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(rule, facts * 2)) == [combine(one) for one in facts * 2]


# ------------------------------------------------------------------------------------------------ the command line


def kmssim(*arguments, **environment):
    command = [sys.executable, "-m", "kmssim", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_verb_shows_who_rules():
    done = kmssim("authority", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["authority"], report["policy_digest"], report["check"]) == ("rego", DIGEST, None)


def test_the_verb_checks_the_authority():
    done = kmssim("authority", "--check", "--authority", "regorus")
    assert done.returncode == 0
    assert re.search(r"check +\d{5} inputs asked, 0 answers differ from the rule in Python", done.stdout)


def test_the_verb_finds_a_server_that_lies(engine):
    with OpaStub(
        lambda rule, document: [GOOD] * len(document["requests"]) if rule == "batch" else engine.ask(rule, document)
    ) as stub:
        done = kmssim("authority", "--check", "--json", "--authority", stub.url)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert 0 < report["check"]["wrong"] < report["check"]["asked"]
    assert len(report["check"]["examples"]) == 5


def test_the_verb_prints_the_policy_for_a_server_to_load():
    assert kmssim("authority", "--policy").stdout == POLICY


def test_decide_is_ruled_by_rego_by_python_or_by_a_server(opa):
    def authority_of(*arguments):
        answer = json.loads(kmssim("decide", str(LAB), "--json", "--brief", *arguments).stdout)
        return {request["authority"] for request in answer["requests"]}

    assert authority_of() == {"rego"}
    assert authority_of("--authority", "regorus") == {"rego"}
    assert authority_of("--authority", "python") == {"python"}
    assert authority_of("--authority", opa.url) == {"opa"}
    assert [path for path, _ in opa.asked].count("/v1/data/kmssim/authz/version") == 1


def test_the_connection_that_is_kept_for_a_thread_is_closed_after_it(opa):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        thread = threading.Thread(target=lambda: OpaServer(opa.url).ask("version", {}))
        thread.start()
        thread.join()
        gc.collect()
    assert [str(each.message) for each in told if each.category is ResourceWarning] == []


@pytest.mark.parametrize("verb", ["decide", "compare"])
def test_a_verb_whose_authority_is_gone_exits_with_2_and_decides_nothing(verb):
    done = kmssim(verb, str(LAB), "--json", "--authority", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kmssim: OPA at http://127.0.0.1:9 cannot be asked")
    assert "Traceback" not in done.stderr


def test_compare_agrees_whoever_rules_in_the_sandbox(opa):
    done = kmssim("compare", str(LAB), "--json", "--authority", opa.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["agree"] == 8
    assert len(opa.asked) > 2


def test_the_token_is_never_shown(engine):
    with OpaStub(engine.ask, FAULTS["says 401"][0]) as stub:
        done = kmssim("decide", str(LAB), "--authority", stub.url, KMSSIM_OPA_TOKEN="s3cret")
    assert done.returncode == 2
    assert "s3cret" not in done.stdout + done.stderr


def test_threads_load_one_engine():
    found = []
    threads = [threading.Thread(target=lambda: found.append(find_authority("rego"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
