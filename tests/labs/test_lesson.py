"""A failure is the lesson: what it says, word by word, as columns and as plain text."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from lab_samples import change, sample, write_code

from kmssim.labs.beliefs import find_belief
from kmssim.labs.checking import check_answer
from kmssim.labs.lesson import _LONGEST_RULE, _sentence_of
from kmssim.labs.outcomes import Outcome
from kmssim.labs.report_json import report_json
from kmssim.labs.telling import Style, failure_text, report_text
from kmssim.labs.variants import answer_in, exercise_of, solution_of, wrong_answers
from kmssim.rules import all_rules

WRONG_STAR = """\
51_fix_it  Fix it                                             1 of 3 checks

  PASS  workload_decrypts  The workload decrypts an order.
  FAIL  intern_is_refused  The intern does not decrypt an order.

        request   role/intern  kms:Decrypt  alias/orders
        answer    ALLOW; expected DENY

        KMS key policy  ALLOW     decides   statement "Use"
        Grant           silent
        IAM policy      silent
        not applicable: Resource control policy, Service control policy, VPC endpoint policy, Permissions boundary, Session policy

        exercise/key-policy.json:13:5
          13 |     {
          14 |       "Sid": "Use",
          15 |       "Effect": "Allow",
          16 |       "Principal": "*",
          17 |       "Action": [
          18 |         "kms:Encrypt",
          19 |         "kms:Decrypt"
          20 |       ],
             | allows kms:Decrypt: it has no Condition
        rule KP-4: A direct statement for a user or role of the key's own account suffices without
        any identity policy.
        rule DA-26: Allow comes from: Key policy → `"*"` with other or no conditions; Identity
        policy needed?: no; Implicit deny in boundary limits?: no; Implicit deny in session policy
        limits?: no
        You seem to think: "A star is harmless."

  FAIL  nobody_else        Nothing else changed.
"""

PLAIN_STAR = """\
lab 51_fix_it. Fix it. 1 of 3 checks pass.
check workload_decrypts: pass. The workload decrypts an order.
check intern_is_refused: fail. The intern does not decrypt an order.
request: role/intern, kms:Decrypt, alias/orders.
answer: ALLOW. expected DENY.
decided by: KMS key policy, ALLOW, statement "Use".
file exercise/key-policy.json line 13 column 5: allows kms:Decrypt: it has no Condition.
"""


def star(lab):
    return check_answer(wrong_answers(lab)[0], simulated=False)


def test_an_answer_that_is_too_wide_is_told_down_to_its_line(tmp_path):
    assert report_text(star(sample(tmp_path)), Style()) == WRONG_STAR


def test_plain_text_says_one_fact_a_line(tmp_path):
    text = report_text(star(sample(tmp_path)), Style(plain=True))
    assert text.startswith(PLAIN_STAR)
    assert "You seem to think" in text


def test_colour_is_on_words_that_say_it_already(tmp_path):
    text = report_text(star(sample(tmp_path)), Style(color=True))
    assert "\x1b[31m\x1b[1mFAIL" in text
    assert "\x1b" not in report_text(star(sample(tmp_path / "again")), Style())


def test_an_answer_that_is_too_narrow_is_told_by_the_element_that_does_not_match(tmp_path):
    lab = sample(tmp_path)
    policy = json.loads((lab.solution / "key-policy.json").read_text())
    policy["Statement"][1]["Condition"] = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "key-policy.json").write_text(json.dumps(policy, indent=2))
    text = failure_text(check_answer(answer_in(mine, lab), simulated=False), Style())
    assert (
        "| Condition wants StringEquals kms:ViaService: s3.us-east-1.amazonaws.com; found kms:ViaService is absent"
        in text
    )
    line = next(
        number
        for number, each in enumerate((mine / "key-policy.json").read_text().splitlines(), 1)
        if "ViaService" in each
    )
    assert f"exercise/key-policy.json:{line}:11" in text
    assert "role/admin" not in text, "a statement about others is no news"


def test_a_changed_matrix_lists_who_gained_what_and_the_statement_behind_it(tmp_path):
    text = failure_text(check_answer(wrong_answers(sample(tmp_path))[1], simulated=False), Style())
    assert "allowed now:" in text
    assert (
        "  role/workload  key orders  kms:CreateGrant, kms:PutKeyPolicy, kms:GenerateDataKey, kms:CancelKeyDeletion and 21 more"
        in text
    )
    assert "exercise/key-policy.json" in text
    assert 'You seem to think: "More actions do no harm."' in text


def test_a_broken_lab_says_that_it_is_our_fault(tmp_path):
    report = check_answer(exercise_of(sample(tmp_path)), simulated=False)
    broken = replace(report, results=(replace(report.results[0], outcome=Outcome.BROKEN, said="two answers"),))
    for style in (Style(), Style(plain=True)):
        text = report_text(broken, style)
        assert "our fault" in text
        assert "expected ALLOW" not in text


def test_a_code_failure_shows_the_line_and_what_was_printed(tmp_path):
    lab = sample(tmp_path, "write")
    write_code(lab, "def read_order(kms, blob):\n    print('here')\n    return kms.decrypt(CiphertextBlob=1)\n")
    text = failure_text(check_answer(exercise_of(lab)), Style())
    assert "ParamValidationError" in text
    assert "exercise/orders.py:3:12" in text
    assert "   3 |     return kms.decrypt(CiphertextBlob=1)" in text
    assert "your code printed:\n          here" in text


def test_an_unreadable_file_shows_the_line(tmp_path):
    lab = sample(tmp_path)
    (lab.exercise / "key-policy.json").write_text('{\n  "Version": 1,,\n}')
    for style in (Style(), Style(plain=True)):
        text = report_text(check_answer(exercise_of(lab)), style)
        assert "cannot be read" in text
    assert '   2 |   "Version": 1,,' in report_text(check_answer(exercise_of(lab)), Style())


SLIPS = [
    ('"kms:Decrypt"', '"kms:Decyrpt"', "There is no action `kms:Decyrpt`; is kms:Decrypt meant?"),
    (
        '"Resource": "*"',
        '"Resource": "*", "Condition": {"StringEquals": {"kms:ViaServices": "s3.us-east-1.amazonaws.com"}}',
        "There is no condition key `kms:ViaServices` (is kms:ViaService meant?)",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), SLIPS, ids=["action", "condition key"])
def test_what_does_not_exist_is_named_with_the_first_failure(tmp_path, right, wrong, said):
    """AWS takes the policy, and no check is about the slip itself."""
    lab = sample(tmp_path)
    text = solution_of(lab).file("key-policy.json").read_text(encoding="utf-8")
    file = tmp_path / "learners" / "key-policy.json"
    file.parent.mkdir()
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    slipped = next(word for word in wrong.split('"') if word.startswith("kms:"))
    line = file.read_text(encoding="utf-8").partition(f'"{slipped}"')[0].count("\n") + 1
    report = check_answer(answer_in(file.parent, lab), simulated=False)
    assert report.first_failed is not None
    for style in (Style(), Style(plain=True)):
        assert report_text(report, style).count(said) == 1
    (slip,) = report_json(report)["slips"]
    assert (slip["path"], slip["line"]) == ("exercise/key-policy.json", line)
    assert slip["remark"].startswith(said)


def test_a_slip_that_came_with_the_lab_is_not_given_away(tmp_path):
    lab = sample(tmp_path)
    file = lab.exercise / "key-policy.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"kms:Decrypt"', '"kms:Decyrpt"'), encoding="utf-8")
    assert report_json(check_answer(exercise_of(lab), simulated=False))["slips"] == []


@pytest.mark.parametrize("rule", sorted(all_rules()))
def test_a_rule_is_told_in_a_few_lines_without_the_books_own_notes(rule):
    said = _sentence_of(rule)
    assert said
    assert len(said) < _LONGEST_RULE + 30
    assert not re.search(r" (Source|Rules|Status)\w*: ", said)
    if said != f"see `kmssim rule {rule}`":
        assert all_rules()[rule].text.startswith(said.partition(" … (")[0])


def test_a_prediction_that_nobody_made_gives_nothing_away(tmp_path):
    lab = sample(tmp_path, "predict")
    change(lab.metadata, lambda data: data["checks"][0].update(because="It is let in.", rules=["KP-4"]))
    report = check_answer(exercise_of(lab), simulated=False)
    for style in (Style(), Style(plain=True)):
        text = report_text(report, style)
        assert "not answered yet" in text.lower()
        assert "ALLOW" not in text
        assert "let in" not in text
        assert "KP-4" not in text
    assert "KP-4" not in json.dumps(report_json(report))


@pytest.mark.parametrize("kind", ["fix", "predict", "write"])
def test_a_known_wrong_answer_is_known_by_its_text(tmp_path, kind):
    lab = sample(tmp_path, kind)
    for wrong, answer in zip(lab.read_metadata().wrong, wrong_answers(lab), strict=True):
        assert find_belief(check_answer(answer, simulated=False)) == wrong


def test_an_answer_that_fails_as_a_wrong_one_does_is_known_by_its_failure(tmp_path):
    lab = sample(tmp_path)
    answer = wrong_answers(lab)[0]
    change(answer.file("key-policy.json"), lambda data: data["Statement"][1].update(Sid="SomethingElse"))
    other = sample(tmp_path / "other")
    report = check_answer(answer_in(answer.folder, other), simulated=False)
    assert find_belief(report).belief == "A star is harmless."


def test_the_exercise_and_the_solution_have_no_belief(tmp_path):
    lab = sample(tmp_path)
    assert find_belief(check_answer(exercise_of(lab), simulated=False)) is None
    assert find_belief(check_answer(solution_of(lab), simulated=False)) is None


def test_a_report_as_data_has_the_places_and_the_belief(tmp_path):
    data = report_json(star(sample(tmp_path)))
    failed = data["checks"][1]
    assert (data["solved"], data["exit_code"], failed["outcome"]) == (False, 1, "fail")
    assert failed["places"][0]["line"] == 13
    assert failed["decision"]["layers"] == ["key_policy"]
    assert data["belief"]["text"] == "A star is harmless."
