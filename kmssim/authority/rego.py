"""Rego has the last word: rulings by an engine or a server, kept by their facts, and never without a second opinion."""

from __future__ import annotations

import threading

from kmssim.authority.engines import Engine
from kmssim.authority.exchange import read_ruling, write_facts
from kmssim.authority.policy import DECISION
from kmssim.errors import AuthorityDisagreementError
from kmssim.evaluator.combine import combine
from kmssim.evaluator.decision import Facts, Layer, Ruling


class KeptRulings:
    """Asks an engine once for each `Facts`: a ruling is a function of a finite domain, and so can be kept.

    Each ruling is compared with the rule in Python; where they differ nobody rules, and the call is refused.
    """

    def __init__(self, engine: Engine) -> None:
        """Nothing is asked before the first question."""
        self._engine = engine
        self._kept: dict[Facts, Ruling] = {}
        self._lock = threading.Lock()

    def rule(self, facts: Facts) -> Ruling:
        """The ruling; raises AuthorityError where there is none."""
        kept = self._kept.get(facts)
        if kept is not None:
            return kept
        ruling = read_ruling(self._engine.ask(DECISION, write_facts(facts)))
        second = combine(facts)
        if ruling != second:
            raise AuthorityDisagreementError(_disagreement(self._engine.name, facts, ruling, second))
        with self._lock:
            self._kept[facts] = ruling
        return ruling


def _disagreement(name: str, facts: Facts, ruling: Ruling, second: Ruling) -> str:
    return (
        f"the decision authority and the rule in Python disagree, so the call is refused. {name}: {_told(ruling)}; "
        f"Python: {_told(second)}; facts: {write_facts(facts)}"
    )


def _told(ruling: Ruling) -> str:
    layers = " ".join(layer.value for layer in Layer if layer in ruling.layers)
    paths = " ".join(path.value for path in ruling.paths)
    return f"{ruling.reason.value} (layers: {layers or 'none'}; paths: {paths or 'none'})"
