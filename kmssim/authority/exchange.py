"""What goes to the decision authority and what comes back: `Facts` as JSON, JSON as a `Ruling`.

Reading is strict. An answer that is not exactly a ruling, to the type of every member, is no answer: engines and
servers have their own ways of saying nothing (`"<undefined>"`, an empty result, HTTP 200 without a document), and each
of them must end in a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping

from kmssim.errors import AuthorityError
from kmssim.evaluator.decision import Facts, Layer, PathKind, Reason, Ruling

Document = dict[str, object]

_MEMBERS = {"allowed", "reason", "layers", "paths"}


def write_facts(facts: Facts) -> Document:
    """The policy's input."""
    return {
        "verdicts": {layer.value: facts.verdicts[layer].value for layer in Layer},
        "source": facts.source.value,
        "same_account": facts.same_account,
        "direct": facts.direct.value if facts.direct else None,
        "delegated": facts.delegated,
        "granted": facts.granted.value if facts.granted else None,
        "granted_to_account": facts.granted_to_account,
    }


def read_ruling(answer: object) -> Ruling:
    """The ruling in the policy's answer.

    Raises AuthorityError for anything else, and where the policy says that it could not read the facts.
    """
    if not isinstance(answer, Mapping) or set(answer) != _MEMBERS:
        raise AuthorityError(f"the decision authority answered {_short(answer)}, which is no ruling")
    if answer["reason"] == "invalid_input":
        raise AuthorityError("the decision authority could not read the facts, so its policy is not this kmssim's")
    try:
        layers = [Layer(word) for word in _words(answer["layers"])]
        paths = [PathKind(word) for word in _words(answer["paths"])]
        ruling = Ruling(Reason(answer["reason"]), frozenset(layers), tuple(paths))
    except ValueError:
        raise AuthorityError(f"the decision authority answered {_short(answer)}, which is no ruling") from None
    consistent = answer["allowed"] is ruling.allowed and ruling.layers and len(ruling.layers) == len(layers)
    if not consistent:
        raise AuthorityError(f"the decision authority contradicts itself: {_short(answer)}")
    return ruling


def _words(listed: object) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise ValueError(listed)
    return listed


def _short(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 - a message is one line
