"""GetKeyLastUsage: which cryptographic operation last succeeded with a key.

Kept for each key by itself, related multi-Region keys included; of ReEncrypt for both of its keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.clock import Clock
from kmssim.sandbox.served import Serve, Served

_CRYPTOGRAPHIC = frozenset(
    {
        "Decrypt",
        "DeriveSharedSecret",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "ReEncrypt",
        "Sign",
        "Verify",
        "VerifyMac",
        "Encapsulate",
        "Decapsulate",
    }
)
"""What counts as a use; GetPublicKey does not."""


@dataclass
class Usage:
    """The last use of each key, by its ARN, as GetKeyLastUsage tells it."""

    last: dict[str, dict[str, object]] = field(default_factory=dict)


def note_usage(served: Served, answer: Answer) -> None:
    """A call has succeeded."""
    if served.call.name not in _CRYPTOGRAPHIC:
        return
    usage = {
        "Operation": served.call.name,
        "Timestamp": served.memory.notes(Clock).now(),
        "CloudTrailEventId": str(uuid.uuid4()),
        "KmsRequestId": next((text for name, text in answer.headers.items() if name.lower() == _REQUEST_ID), ""),
    }
    for key in served.keys:
        served.memory.notes(Usage).last[key.arn] = usage


_REQUEST_ID = "x-amzn-requestid"


def last_usage(served: Served) -> Answer | Refusal:
    """The last use, an empty object when there was none; the sandbox has kept account from the key's beginning."""
    key = served.key
    about = served.clients("kms", key.account, key.region).describe_key(KeyId=key.id)["KeyMetadata"]
    made = about["CreationDate"].timestamp()
    return answer_json(
        {
            "KeyId": key.id,
            "KeyLastUsage": served.memory.notes(Usage).last.get(key.arn, {}),
            "TrackingStartDate": made,
            "KeyCreationDate": made,
        }
    )


SERVES: Mapping[str, Serve] = {"GetKeyLastUsage": last_usage}
