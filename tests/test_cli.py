"""The command line as people and scripts meet it: exit codes, messages, JSON, what starts without a runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest

from kmssim.cli import cli

ROOT = Path(__file__).resolve().parent.parent
LAB = "labs/01_key_policy_must_trust/scenario.json"


def kmssim(*arguments: str, cwd: Path = ROOT, stdin: str | None = None, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "kmssim", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def first_scenario() -> dict:
    """Lab 01's scenario in one document: the key policy, which is the exercise, stands in it."""
    text = (ROOT / LAB).read_text()
    exercise = (ROOT / LAB).parent / "exercise" / "key-policy.json"
    return json.loads(text.replace('"exercise/key-policy.json"', exercise.read_text()))


def scenario(tmp_path: Path, **changes) -> Path:
    """Lab 01's scenario with members replaced; a member set to None is left out."""
    data = first_scenario() | changes
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({name: value for name, value in data.items() if value is not None}))
    return path


def refused(ran: subprocess.CompletedProcess[str]) -> str:
    """The message of a run that must end with exit code 2, one message, and no traceback."""
    assert ran.returncode == 2, ran
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("kmssim: ")
    return ran.stderr


def test_decide_explains_the_first_lab_in_the_words_of_the_seed_page():
    ran = kmssim("decide", LAB, "--request", first_request())
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    start = lines.index("IAM policy: kms:Decrypt allowed")
    assert lines[start : start + 5] == [
        "IAM policy: kms:Decrypt allowed",
        "KMS key policy: workload role not trusted",
        "Grant: none",
        "Encryption context: not applicable",
        "Final decision: DENY",
    ]
    because = "the key policy neither names the role nor hands the account over to IAM"
    assert f"Because {because}, so the IAM Allow has nothing to attach to." in ran.stdout
    assert f"in {LAB}" in ran.stdout
    assert "exercise/key-policy.json.Statement[0]" in ran.stdout
    assert "accounts.111122223333.roles.workload." in ran.stdout
    assert "Rules: KP-1" in ran.stdout


def first_request() -> str:
    return json.loads((ROOT / LAB).read_text())["requests"][0]["name"]


def test_decide_takes_the_name_of_a_lab():
    assert kmssim("decide", "01_key_policy_must_trust").stdout == kmssim("decide", LAB).stdout


def test_decide_prints_json_in_the_words_that_tools_read():
    answer = json.loads(kmssim("decide", LAB, "--json").stdout)
    request = answer["requests"][0]
    assert set(request) == {
        "name", "decision", "kind", "layers", "error", "message", "uncertain", "authority", "engine", "policy_digest", "rules", "because", "trace",
    }  # fmt: skip
    assert (request["decision"], request["kind"], request["layers"]) == ("DENY", "implicit", ["key_policy"])
    assert request["error"] == "AccessDeniedException"
    assert request["message"].endswith("because no resource-based policy allows the kms:Decrypt action")
    assert "KP-1" in request["rules"]


def test_brief_json_leaves_the_trace_out():
    answer = json.loads(kmssim("decide", LAB, "--json", "--brief").stdout)
    assert all("trace" not in request for request in answer["requests"])


def test_trace_shows_which_element_of_each_statement_did_not_match():
    shown = kmssim("decide", LAB, "--request", first_request(), "--trace").stdout
    assert "├─ key_policy: silent" in shown
    assert "Principal wants" in shown


def test_compare_shows_the_first_lab_denied_by_prediction_and_sandbox_and_allowed_by_moto():
    ran = kmssim("compare", "01_key_policy_must_trust", "--json")
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    row = answer["scenarios"][0]["rows"][0]
    assert row["predicted"] == {"decision": "DENY", "layers": ["key_policy"], "error": "AccessDeniedException"}
    assert row["sandbox"]["decision"] == "DENY"
    assert row["sandbox"]["error"] == "AccessDeniedException"
    assert "is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:" in row["sandbox"]["message"]
    assert row["moto"] == {"decision": "ALLOW", "error": None, "message": None}
    assert row["agrees"] is True
    assert row["moto_differs_because"] == "moto evaluates no key policy"
    assert answer["totals"]["agree"] == answer["totals"]["requests"]


def test_compare_prints_a_table_with_a_row_for_each_request_and_the_totals_below():
    ran = kmssim("compare", "01_key_policy_must_trust")
    assert ran.returncode == 0, ran.stderr
    assert "principal" in ran.stdout.splitlines()[1]
    assert "moto alone differs: moto evaluates no key policy" in ran.stdout
    assert ran.stdout.splitlines()[-1].endswith("agree with the sandbox")
    assert "\x1b" not in ran.stdout


def test_compare_reads_a_scenario_from_standard_input():
    ran = kmssim("compare", "-", "--json", stdin=json.dumps(first_scenario()))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["totals"]["agree"] == len(first_scenario()["requests"])


def test_compare_says_so_when_there_is_nothing_to_compare(tmp_path: Path):
    ran = kmssim("compare", str(scenario(tmp_path, requests=None)))
    assert (ran.returncode, ran.stderr) == (0, "kmssim: nothing to compare: no request is stated\n")


def test_compare_exits_with_1_when_an_expectation_does_not_hold(tmp_path: Path):
    requests = first_scenario()["requests"][:1]
    requests[0]["expect"] = {"decision": "ALLOW", "error": None}
    ran = kmssim("compare", str(scenario(tmp_path, requests=requests)))
    assert ran.returncode == 1
    assert "NOT AS THE SCENARIO EXPECTS" in ran.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ('{"accounts": {}, "accounts": {}}', "accounts"),
        ('{"accounts": {}, "acounts": {}}', "acounts"),
        ("[]", "object"),
        ('{"accounts": {"1": {}}}', "$.accounts"),
        ("\ufeffnull", ""),
    ],
)
def test_a_broken_scenario_is_refused_with_its_file_and_one_message(tmp_path: Path, content: str, said: str):
    path = tmp_path / "broken.json"
    path.write_text(content)
    for verb in ("decide", "compare"):
        message = refused(kmssim(verb, str(path)))
        assert "broken.json" in message
        assert said in message


def test_an_unknown_principal_is_refused_with_its_path(tmp_path: Path):
    requests = [{"name": "x", "principal": "arn:aws:iam::111122223333:user/nobody", "operation": "kms:ListKeys"}]
    message = refused(kmssim("decide", str(scenario(tmp_path, requests=requests))))
    assert "$.requests[0].principal" in message
    assert "nobody" in message


def test_a_policy_that_aws_would_refuse_is_refused_with_its_path_and_rule(tmp_path: Path):
    data = first_scenario()
    account = next(iter(data["accounts"]))
    label = next(iter(data["accounts"][account]["keys"]))
    data["accounts"][account]["keys"][label]["policy"]["Statement"][0]["Effect"] = "allow"
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(data))
    message = refused(kmssim("decide", str(path)))
    assert f"$.accounts.{account}.keys.{label}.policy.Statement[0].Effect" in message
    assert "PG-5" in message


@pytest.mark.parametrize("verb", ["decide", "compare"])
def test_a_lab_or_file_that_does_not_exist_is_refused_and_near_names_are_shown(verb: str):
    assert "01_key_policy_must_trust" in refused(kmssim(verb, "01_key_policy_must_trus"))
    refused(kmssim(verb, "no/such/file.json"))


def test_a_request_that_does_not_exist_is_refused():
    refused(kmssim("decide", LAB, "--request", "no such request"))


def test_the_labs_of_the_checkout_are_found_from_any_folder(tmp_path: Path):
    ran = kmssim("decide", "19_perimeter", "--json", "--brief", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["requests"][0]["layers"] == ["scp"]


def test_rule_prints_the_rule_and_its_sources():
    ran = kmssim("rule", "GR-16")
    assert ran.returncode == 0
    assert ran.stdout.startswith("GR-16 [")
    assert "https://docs.aws.amazon.com/" in ran.stdout
    assert json.loads(kmssim("rule", "GR-16", "--json").stdout)["id"] == "GR-16"
    assert "GR-1" in refused(kmssim("rule", "GR-161"))


def test_schema_is_a_json_schema_that_accepts_the_labs():
    schema = json.loads(kmssim("schema").stdout)
    for path in sorted(ROOT.glob("labs/*/scenario.json")):
        jsonschema.validate(json.loads(path.read_text()), schema)


def verbs_below(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb that does something, with the words by which it is called."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        if isinstance(found, click.Group):
            yield from verbs_below(found, (*path, name))
        else:
            yield (*path, name), found


VERBS = list(verbs_below(cli))


@pytest.mark.parametrize(("words", "verb"), VERBS, ids=[" ".join(words) for words, _ in VERBS])
def test_every_verb_has_help_with_an_example_and_can_print_json(words: tuple[str, ...], verb: click.Command):
    told = verb.get_help(click.Context(verb, info_name=f"kmssim {' '.join(words)}"))
    example = " ".join(told.split("Example:")[1].split())
    assert f"kmssim {' '.join(words)}" in example
    assert "--json" in told


def test_wrong_use_ends_with_2_and_without_a_traceback():
    for arguments in (["nonsense"], ["decide"], ["decide", LAB, "--nonsense"]):
        ran = kmssim(*arguments)
        assert ran.returncode == 2
        assert "Traceback" not in ran.stderr


def test_a_reader_who_has_had_enough_is_no_error():
    command = f"{sys.executable} -m kmssim decide {LAB} --json | head -n 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("verb", ["--help", "decide", "rule", "schema"])
def test_verbs_that_need_no_runtime_start_without_it(verb: str):
    arguments = {"--help": ["--help"], "decide": ["decide", LAB], "rule": ["rule", "KP-1"], "schema": ["schema"]}[verb]
    program = (
        "import sys\nfrom kmssim.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({'moto', 'boto3', 'botocore'} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.strip().splitlines()[-1] == "[]"


STAND_IN = """
import contextlib, io, sys
from kmssim.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["decide", "01_key_policy_must_trust"])
assert "email" not in sys.modules, "pydantic has read importlib.metadata"
import importlib.metadata
from importlib.metadata import PackageNotFoundError, entry_points, version
assert version("click"), "nothing is there"
assert entry_points(group="console_scripts").names
try:
    importlib.metadata.version("no-such-package")
except PackageNotFoundError:
    print("found")
"""


def test_what_only_plug_ins_need_is_imported_when_somebody_uses_it():
    """pydantic looks for plug-ins with importlib.metadata; whoever needs it later has the real one."""
    done = subprocess.run([sys.executable, "-c", STAND_IN], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("found\n", "")
