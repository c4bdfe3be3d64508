"""Predicted beside simulated: each request decided by the evaluator and made for real, and how the answers differ.

The two sides share nothing but the scenario: the prediction comes from the declared world, the simulation from boto3
calls to a runtime that was seeded with it. Beside the sandbox stands what moto answers by itself, plain and with its
own IAM switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kmssim.because import because
from kmssim.evaluator.decision import Authority, Decision, Layer
from kmssim.evaluator.pdp import decide
from kmssim.expectations import unmet_expectations
from kmssim.explain import deciding_permission
from kmssim.sandbox.bench import Bench
from kmssim.sandbox.observed import Observed
from kmssim.scenario import Scenario, ScenarioRequest


@dataclass(frozen=True)
class Predicted:
    """What the evaluator says: the decision, the deciding layers in AWS's order, the error that the caller sees."""

    decision: str
    layers: tuple[str, ...]
    error: str | None


@dataclass(frozen=True)
class Row:
    """One request, answered four times.

    `agrees`: prediction and sandbox end alike; None where no client can make the call. `as_expected`: the prediction
    is what the scenario states; None where it states nothing. `moto_differs_because`: why moto alone ends otherwise,
    None where it does not.
    """

    name: str
    principal: str
    operation: str
    predicted: Predicted
    sandbox: Observed
    moto: Observed
    moto_iam: Observed
    agrees: bool | None
    as_expected: bool | None
    moto_differs_because: str | None
    uncertain: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class Comparison:
    """All rows of one scenario."""

    file: str | None
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Totals:
    """Counts over several comparisons.

    `made` are the requests that a client could make, `expected` those for which the scenario states an expectation.
    """

    requests: int
    made: int
    agree: int
    expected: int
    as_expected: int

    @property
    def fine(self) -> bool:
        """Whether prediction and sandbox agree wherever both spoke, and every expectation holds."""
        return self.agree == self.made and self.as_expected == self.expected


def _nothing() -> None:
    """Nobody is watching."""


def compare_scenario(
    scenario: Scenario, advance: Callable[[], None] = _nothing, authority: Authority | None = None
) -> Comparison:
    """Answer every request of a scenario four times; `advance` is called after each.

    The prediction is ruled by Python, the sandbox by `authority` (None: `find_authority()`'s), so that the two sides
    share no combining rule either.
    """
    rows = []
    with Bench(scenario.world, authority) as bench:
        for request in scenario.requests:
            rows.append(_compare(scenario, request, bench))
            advance()
    return Comparison(scenario.file, scenario.title, tuple(rows))


def _compare(scenario: Scenario, request: ScenarioRequest, bench: Bench) -> Row:
    decision = decide(scenario.world, request.call)
    predicted = predicted_by(decision)
    observed = bench.observe(request.call)
    return Row(
        name=request.name,
        principal=request.call.principal.arn,
        operation=request.call.operation,
        predicted=predicted,
        sandbox=observed.sandbox,
        moto=observed.moto,
        moto_iam=observed.moto_iam,
        agrees=agree(predicted, observed.sandbox),
        as_expected=None if request.expect is None else not unmet_expectations(request.expect, decision),
        moto_differs_because=_why_moto_differs(predicted, decision, observed.moto),
        uncertain=decision.uncertain,
        because=because(decision, deciding_permission(decision)),
    )


def predicted_by(decision: Decision) -> Predicted:
    """What a decision predicts that a client will see."""
    layers = tuple(layer.value for layer in Layer if layer in decision.layers)
    return Predicted(decision.word, layers, decision.failure.code if decision.failure else None)


def agree(predicted: Predicted, observed: Observed) -> bool | None:
    """Alike in the error and in the decision; a call about no key at all has no decision to compare (CH-3)."""
    if observed.decision is None:
        return None
    if predicted.error != observed.error:
        return False
    never_authorized = not predicted.layers and predicted.decision == "DENY"
    return never_authorized or predicted.decision == observed.decision


_BY_LAYER: Mapping[str, str] = {
    "rcp": "moto evaluates no resource control policy",
    "scp": "moto evaluates no service control policy",
    "vpc_endpoint": "moto evaluates no VPC endpoint policy",
    "key_policy": "moto evaluates no key policy",
    "grant": "moto evaluates no grant",
    "identity": "moto evaluates no IAM policy unless told to",
    "boundary": "moto evaluates no permissions boundary",
    "session": "moto evaluates no session policy",
}
_BY_ERROR: Mapping[str, str] = {
    "DisabledException": "moto checks no key state",
    "KMSInvalidStateException": "moto checks no key state",
    "UnsupportedOperationException": "moto does not check what kind of key an operation takes",
    "InvalidKeyUsageException": "moto does not tie operations and algorithms to key usage and spec",
    "IncorrectKeyException": "moto answers otherwise when the named key did not make the ciphertext",
    "InvalidCiphertextException": "moto binds the encryption context otherwise",
    "DryRunOperationException": "moto ignores DryRun and does it",
    "ValidationException": "moto does not validate this parameter",
    "MalformedPolicyDocumentException": "moto accepts any key policy",
    "NotFoundException": "moto resolves key ids otherwise",
    "AlreadyExistsException": "moto does not look whether it exists",
}


def _why_moto_differs(predicted: Predicted, decision: Decision, moto: Observed) -> str | None:
    """The reason by which moto alone ends otherwise than predicted; None where it does not."""
    if moto.decision is None or (moto.error == predicted.error and agree(predicted, moto)):
        return None
    if moto.error == "NotImplemented":
        return f"moto does not implement {decision.call.name}"
    if predicted.decision == "DENY" and predicted.layers:
        return "; ".join(_BY_LAYER[layer] for layer in predicted.layers)
    if decision.call.service != "kms" and moto.error is None:
        return f"moto's {decision.call.service} never asks KMS"
    if predicted.error is None:
        return f"moto alone fails with {moto.error}: it keeps keys by account and Region of the caller"
    return _BY_ERROR.get(predicted.error, f"moto never answers {predicted.error} here")


def summarize(comparisons: Iterable[Comparison]) -> Totals:
    """Count over all rows."""
    rows = [row for comparison in comparisons for row in comparison.rows]
    return Totals(
        requests=len(rows),
        made=sum(row.agrees is not None for row in rows),
        agree=sum(row.agrees is True for row in rows),
        expected=sum(row.as_expected is not None for row in rows),
        as_expected=sum(row.as_expected is True for row in rows),
    )
