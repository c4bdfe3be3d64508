"""What an audit finds: frozen data. The words are in `wording`, how they are shown in `report` and `sarif`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kmssim.evaluator.decision import Decision
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import Account


class Severity(Enum):
    """How bad a finding is; `wording` says for each why."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Where:
    """What a finding is about: `path` (a JSON path) in `file`; None: the world was not read from a file.

    `line` is filled in by whoever has the text at hand.
    """

    path: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """`file: path`, or the path alone."""
        return f"{self.file}: {self.path}" if self.file else self.path


@dataclass(frozen=True)
class Shown:
    """What the trace of the witness's decision says of one statement or grant: whether it applies."""

    applies: bool
    policy: str = ""
    statement: str = ""
    grant: str = ""


@dataclass(frozen=True)
class Witness:
    """A call that shows a finding, and the decision that it meets.

    `beside`: accounts that stand beside the audited world's own while it is replayed: a stranger has to come from
    somewhere. `says` is a clause for people, `shown` what to look for in the trace where the decision alone says
    nothing.
    """

    says: str
    call: Call
    decision: Decision = field(compare=False, repr=False)
    beside: Mapping[str, Account] = field(default_factory=dict)
    shown: Shown | None = None

    @property
    def word(self) -> str:
        """`ALLOW` or `DENY`."""
        return self.decision.word


@dataclass(frozen=True)
class Finding:
    """One finding. `subject` is the principal or service that it is about, `key` the ARN of the key, each "" for none.

    `executive` says what it means in one sentence, `technical` what there is. `controls` are those of AWS Security Hub
    that it fails.
    """

    id: str
    severity: Severity
    where: Where
    executive: str
    technical: str
    fix: str
    rules: tuple[str, ...]
    key: str = ""
    subject: str = ""
    witnesses: tuple[Witness, ...] = ()
    controls: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What tells this finding from all others of its file."""
        return f"{self.id}@{self.where.path}" + (f" ({self.subject})" if self.subject else "")
