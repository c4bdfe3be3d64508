"""AWS's AccessDenied sentence (EM-1 to EM-14) → who, what, on what, which policy type; also where it is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kmssim.errors import InputError
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.request import parse_arn
from kmssim.explain_error.errors import form_of_error
from kmssim.explain_error.form import POLICY_TYPES, Form
from kmssim.explain_error.wrapping import Unwrapped, unwrap


@dataclass(frozen=True)
class Sentence:
    """What an error says, as far as it says it; None: it does not.

    `explicit`: a deny is named (True), a missing allow (False). `layer`: the policy type that is blamed; a missing
    grant is told as a missing resource-based policy (EM-2). `is_cut`: the end is missing.
    """

    message: str
    form: Form
    code: str | None = None
    operation: str | None = None
    user: str | None = None
    action: str | None = None
    resource: str | None = None
    layer: Layer | None = None
    explicit: bool | None = None
    policy_arn: str | None = None
    authorization_id: str | None = None
    is_cut: bool = False
    encryption_context: Mapping[str, str] | None = None
    via: str | None = None


EXPECTED = (
    "expected is what AWS said, for instance `User: arn:aws:sts::111122223333:assumed-role/app/x is not authorized to "
    "perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:111122223333:key/... because no resource-based policy "
    "allows the kms:Decrypt action`, with or without what an SDK prints around it; or another error of KMS with code"
)


def read_sentence(text: str) -> Sentence:
    """Read an error as AWS, an SDK or CloudTrail tells it.

    Raises:
        InputError: it is none that AWS makes of a KMS call.

    """
    unwrapped = unwrap(text)
    sentence = _read_denial(unwrapped) or _read_other(unwrapped)
    if sentence is None:
        shown = unwrapped.message or text.strip()
        what = f"no error of AWS: `{shown[:80]}{'...' if len(shown) > 80 else ''}`" if shown else "no text"  # noqa: PLR2004
        raise InputError(what, hint=EXPECTED)
    return sentence


def _read_other(unwrapped: Unwrapped) -> Sentence | None:
    form = form_of_error(unwrapped.code, unwrapped.message)
    if form is None:
        return None
    return Sentence(unwrapped.message, form, unwrapped.code, unwrapped.operation, resource=_key_arn(unwrapped.message))


def _key_arn(message: str) -> str | None:
    found = re.search(r"arn:[\w-]+:kms:[\w-]*:\d*:(?:key|alias)/[\w/:-]+", message)
    return found.group() if found else None


# "User: " is left out by some services, and a service that calls for itself is named by its host.
_START = re.compile(
    r"(?:User: (?P<user>\S+) |(?P<arn>arn:\S+) )?is not authorized to perform: (?P<action>[\w-]+:[\w*-]+)(?P<rest>.*)$"
)
_RESOURCE = re.compile(r" on resource: (?P<resource>[^\s\"<]+)")
_POLICY_ARN = re.compile(r"deny in an? [\w -]+?: (arn:[\w-]+:[^\s\"'<]*?policy[^\s\"'<]*?)[.,;]?(?=$|[\s\"'<])")
_AUTHORIZATION_ID = re.compile(r"authorization[ _-]?id[^\w]+(?:is )?([\w-]{8,})", re.IGNORECASE)
_MASK = "because the resource does not exist in this Region, no resource-based policies allow access"
_CUT_MARKS = "….,\"'` "


def _read_denial(unwrapped: Unwrapped) -> Sentence | None:
    found = _START.search(unwrapped.message)
    if found is None:
        return None
    action, rest = found.group("action"), found.group("rest")
    named = _RESOURCE.match(rest)
    resource = named.group("resource").rstrip(_CUT_MARKS) if named else None
    reason = rest[named.end() :] if named else rest
    form, layer, explicit, is_cut = _reason(reason, action)
    policy, authorization = _POLICY_ARN.search(reason), _AUTHORIZATION_ID.search(reason)
    return Sentence(
        unwrapped.message,
        form,
        unwrapped.code,
        unwrapped.operation,
        user=found.group("user") or found.group("arn"),
        action=action,
        resource=None if resource and not reason and not _is_whole(resource) else resource,
        layer=layer,
        explicit=explicit,
        policy_arn=policy.group(1) if policy else None,
        authorization_id=authorization.group(1) if authorization else None,
        is_cut=is_cut,
        encryption_context=unwrapped.encryption_context,
        via=unwrapped.via,
    )


_WHOLE_KEY = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-f]{32}")


def _is_whole(resource: str) -> bool:
    """Whether the last thing in a sentence is written to its end."""
    arn = parse_arn(resource)
    if arn is None:
        return resource == "*"
    return not arn.resource.startswith("key/") or _WHOLE_KEY.fullmatch(arn.resource[4:]) is not None


_Reason = tuple[Form, Layer | None, bool | None, bool]


def _reason(text: str, action: str) -> _Reason:
    """Form, layer, explicitness, and whether the end is cut off."""
    reason = text.strip()
    for start, found in _whole_reasons(action):
        if reason.startswith(start):
            return (*found, False)
    if reason.startswith(_DENY) and not _names_a_policy(reason.removeprefix(_DENY)):
        return Form.SOMETHING_DENIES, None, True, False
    return _cut_reason(reason.rstrip(_CUT_MARKS), action)


_DENY = "with an explicit deny"


def _names_a_policy(tail: str) -> bool:
    """Whether the sentence goes on with a policy type, or was about to; the older form ends here (EM-9)."""
    words = tail.rstrip(_CUT_MARKS).strip()
    return words.startswith("in") or words == "i"


def _whole_reasons(action: str) -> Iterator[tuple[str, tuple[Form, Layer | None, bool]]]:
    """Each reason that AWS gives, as it begins."""
    yield f"on this resource {_MASK}", (Form.MASKED, Layer.KEY_POLICY, False)
    for kind, (layer, missing, denying) in POLICY_TYPES.items():
        yield f"because no {kind} allows the {action}", (missing, layer, False)
        article = "an" if kind[0] in "aeiou" else "a"
        yield f"with an explicit deny in {article} {kind}", (denying, layer, True)


def _cut_reason(begun: str, action: str) -> _Reason:
    """What a reason that stops in the middle can still become: only what all of these have in common is told."""
    possible = [found for start, found in _whole_reasons(action) if begun and start.startswith(begun)]
    if len(possible) == 1:
        return (*possible[0], True)
    explicit = {found[2] for found in possible}
    if explicit == {True}:
        return Form.SOMETHING_DENIES, None, True, True
    return Form.REASON_MISSING, None, False if explicit == {False} else None, True
