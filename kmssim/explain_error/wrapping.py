"""What tools put around AWS's sentence: boto3 and the AWS CLI, the SDKs for Java, Go, JavaScript and Rust, CloudTrail.

Only what is inside counts; what is outside may still name the error's code and the operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Unwrapped:
    """A sentence without its wrapping: AWS's message, its error code and the operation, as far as they are told.

    `encryption_context` and `via` come from a CloudTrail event only.
    """

    message: str
    code: str | None = None
    operation: str | None = None
    encryption_context: Mapping[str, str] | None = None
    via: str | None = None


def unwrap(text: str) -> Unwrapped:
    """Take the message out of what was printed or logged."""
    event = _cloudtrail_event(text)
    if event is not None:
        return _of_event(event)
    plain = _on_one_line(text)
    return Unwrapped(_message_in(plain), _first(_CODES, plain), _first(_OPERATIONS, plain))


def _cloudtrail_event(text: str) -> Mapping[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and ("errorMessage" in event or "errorCode" in event) else None


def _of_event(event: Mapping[str, object]) -> Unwrapped:
    parameters, caller = event.get("requestParameters"), event.get("userIdentity")
    context = parameters.get("encryptionContext") if isinstance(parameters, dict) else None
    via = caller.get("invokedBy") if isinstance(caller, dict) else None
    return Unwrapped(
        _on_one_line(str(event.get("errorMessage") or "")),
        _text(event.get("errorCode")),
        _text(event.get("eventName")),
        {str(name): str(value) for name, value in context.items()} if isinstance(context, dict) else None,
        _text(via),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _on_one_line(text: str) -> str:
    """Line breaks of terminals and logs are spaces, and marks that JSON escapes are themselves."""
    plain = text.replace("\\n", " ").replace("\\t", " ").replace('\\"', '"').replace("\\'", "'")
    return " ".join(plain.split())


_CODES = tuple(
    re.compile(pattern)
    for pattern in (
        r"\(([\w.]+)\) when calling the \w+ operation",
        r'"(?:errorCode|__type|Code)": ?"(?:[\w.]+#)?([\w.]+)"',
        r"<Code>([\w.]+)</Code>",
        r"Error Code: ([\w.]+)",
        r"api error ([\w.]+)",
        r"(?:^|[\s:.(\"'])((?:KMS\.)?[A-Z]\w*(?:Exception|Failure|Condition))(?=$|[\s:;,()\"'])",
        r"(?:^|[\s:.(\"'])(AccessDenied)(?=$|[\s:;,()\"'])",
        r"^([A-Z]\w+)$",
    )
)
_OPERATIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"when calling the (\w+) operation",
        r"operation error [\w ]+: (\w+),",
        r'"eventName": ?"(\w+)"',
    )
)


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str | None:
    return next((found.group(1) for pattern in patterns if (found := pattern.search(text))), None)


_BEFORE = re.compile(
    r"^.*?(?:when calling the \w+ operation(?: \(reached max retries: \d+\))?:"
    r'|"(?:errorMessage|message|Message)": ?"|\bmessage: (?:Some\()?"|<Message>'
    r"|api error [\w.]+:|(?:^|[\s.])(?:KMS\.)?[A-Z]\w*(?:Exception|Failure|Condition|AccessDenied):) ?"
)
_AFTER = re.compile(
    r" ?(?:\(Service: .*|status code: \d+, request id: .*|, (?:status code|request id): .*|</Message>.*"
    r'|"\)?,? ?"?\w+"?:.*|"? ?\}+$)$',
    re.IGNORECASE,
)


def _message_in(text: str) -> str:
    """Without what stands before and after. A message may itself hold a colon, so prefixes are taken one by one."""
    while (found := _BEFORE.match(text)) is not None:
        text = text[found.end() :]
    return _without_quotes(_AFTER.sub("", text).strip()).strip()


def _without_quotes(text: str) -> str:
    """Without quotes around all of it, or left over from a wrapping; a message may end in a quoted word itself."""
    for quote in "\"'`":
        if text.startswith(quote) or text.count(quote) % 2:
            text = text.strip(quote)
    return text
