"""A sentence → its reading: the words of its form, filled with what the sentence names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmssim.evaluator.operations import OPERATIONS, CrossAccount
from kmssim.evaluator.request import Principal, PrincipalKind, parse_arn, parse_principal, service_principal
from kmssim.explain_error.form import Form
from kmssim.explain_error.sentence import Sentence
from kmssim.explain_error.words import DENIALS, Cause, Words
from kmssim.explain_error.words_of_errors import ERRORS
from kmssim.wording import who

WORDS: Mapping[Form, Words] = {**DENIALS, **ERRORS}
"""All of them."""


@dataclass(frozen=True)
class Reading:
    """What to know of an error: what it means, what to open, and the likely causes, likeliest first."""

    sentence: Sentence
    meaning: str
    opens: str
    command: str
    causes: tuple[Cause, ...]
    rules: tuple[str, ...]


def read_into_words(sentence: Sentence) -> Reading:
    """Fill the words of the sentence's form."""
    words, facts = WORDS[sentence.form], _facts(sentence)
    causes = tuple(
        Cause(cause.text.format_map(facts), cause.rules) for cause in words.causes if _can_be(cause, sentence)
    )
    opens, command = words.opens.format_map(facts), words.command.format_map(facts)
    if sentence.policy_arn:
        opens, command = f"the policy that the sentence names. It is one of {opens}", _show(sentence.policy_arn)
    return Reading(sentence, words.meaning.format_map(facts), opens, command, causes, words.rules)


def _show(policy_arn: str) -> str:
    """The command that prints a policy."""
    if ":organizations:" in policy_arn:
        return f"aws organizations describe-policy --policy-id {policy_arn.rpartition('/')[2]}"
    return f"aws iam get-policy --policy-arn {policy_arn}"


def _can_be(cause: Cause, sentence: Sentence) -> bool:
    """Some causes are those of some operations only: a call without a resource, one that stays in its account."""
    if cause.rules == ("PG-24",):
        return sentence.resource == "*"
    if cause.rules == ("XA-8", "XA-9"):
        row = OPERATIONS.get((sentence.action or "").removeprefix("kms:"))
        return row is not None and row.cross_account is not CrossAccount.YES
    return True


def caller_of(sentence: Sentence) -> Principal | None:
    """Who made the call; None where the sentence does not say, or says it in no form that is known."""
    if sentence.user is None:
        return None
    if sentence.user.startswith("arn:"):
        return parse_principal(sentence.user)
    return service_principal(sentence.user)


def _facts(sentence: Sentence) -> Mapping[str, str]:
    caller = caller_of(sentence)
    arn = parse_arn(sentence.resource or "")
    account = caller.account if caller else ""
    return {
        "who": _who(caller, sentence),
        "holder": who(caller) if caller else "the caller",
        "name": caller.name if caller and caller.name else "NAME",
        "kind": "user" if caller and caller.kind is PrincipalKind.USER else "role",
        "account": account or "the caller's",
        "action": sentence.action or "the operation",
        "operation": sentence.operation or (sentence.action or ":Decrypt").partition(":")[2],
        "resource": sentence.resource or "KEY_ARN",
        "key_account": (arn.account if arn else "") or account or "the key's",
        "region": (arn.region if arn else "") or "REGION",
    }


def _who(caller: Principal | None, sentence: Sentence) -> str:
    if caller is None:
        return sentence.user or "the caller"
    return f"{who(caller)} of account {caller.account}" if caller.account and caller.name else who(caller)
