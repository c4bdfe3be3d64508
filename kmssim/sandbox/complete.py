"""Which operations are answered beside moto, and whose answers are completed: the tables of the modules that do it.

Each such module has `SERVES`, operation → what answers it, and `FINISHES`, operation → what completes moto's answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from kmssim.sandbox import (
    key_usage,
    serve_crypto,
    serve_grants,
    serve_import,
    serve_keys,
    serve_lists,
    serve_rotation,
    serve_signatures,
)
from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.served import Finish, Serve, Served
from kmssim.sandbox.service_models import service_model

SERVES: Mapping[str, Serve] = {
    **serve_keys.SERVES,
    **serve_import.SERVES,
    **serve_rotation.SERVES,
    **key_usage.SERVES,
    **serve_crypto.SERVES,
    **serve_signatures.SERVES,
    **serve_grants.SERVES,
    **serve_lists.SERVES,
}
FINISHES: Mapping[str, Finish] = {**serve_keys.FINISHES, **serve_rotation.FINISHES, **serve_lists.FINISHES}

_REHEARSES: Mapping[str, Serve] = {**serve_crypto.REHEARSES, **serve_signatures.REHEARSES}

_SUCCESS = 200


def serve(served: Served) -> Answer | Refusal | None:
    """The answer to an authorized call; None: moto gives it."""
    found = SERVES.get(served.call.name)
    ended = found(served) if found else None
    if isinstance(ended, Answer):
        key_usage.note_usage(served, ended)
    return ended


def rehearse(served: Served) -> Refusal | None:
    """The error of a dry run that would not have succeeded, as only bytes can say; None: it ends as decided (CH-5)."""
    failure = served.decision.failure
    found = _REHEARSES.get(served.call.name)
    if found is None or failure is None or failure.code != "DryRunOperationException":
        return None
    ended = found(served)
    return ended if isinstance(ended, Refusal) else None


def finish(served: Served, answer: Answer) -> Answer | None:
    """What moto answered as AWS has it; None: as it is."""
    if answer.status != _SUCCESS:
        return None
    found = FINISHES.get(served.call.name)
    finished = found(served, json.loads(answer.body or b"{}") or {}) if found else None
    if service_model("kms").operation_model(served.call.name).output_shape is None:
        return Answer(b"", headers=answer.headers)  # moto says null, AWS nothing
    return None if finished is None else answer_json(finished)
