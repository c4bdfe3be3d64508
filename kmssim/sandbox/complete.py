"""Which operations are answered beside moto, and whose answers are completed: the tables of the modules that do it.

Each such module has `SERVES`, operation → what answers it, and `FINISHES`, operation → what completes moto's answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from kmssim.sandbox.answers import Answer, Refusal, answer_json
from kmssim.sandbox.served import Finish, Serve, Served

SERVES: Mapping[str, Serve] = {}
FINISHES: Mapping[str, Finish] = {}

_SUCCESS = 200


def serve(served: Served) -> Answer | Refusal | None:
    """The answer to an authorized call; None: moto gives it."""
    found = SERVES.get(served.call.name)
    return found(served) if found else None


def finish(served: Served, answer: Answer) -> Answer | None:
    """What moto answered as AWS has it; None: as it is."""
    found = FINISHES.get(served.call.name)
    if found is None or answer.status != _SUCCESS:
        return None
    return answer_json(found(served, json.loads(answer.body or b"{}")))
