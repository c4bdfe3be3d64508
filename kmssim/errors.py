"""What can go wrong, drawn as a tree.

    KmssimError
    ├── InputError           a file or argument that a person wrote is broken
    │   └── PolicyError      a policy document that AWS would refuse
    └── SetupError           this machine or this installation cannot do what was asked
        ├── NetworkEscapeError   something tried to leave the machine
        └── AuthorityError       the decision authority does not rule: it is missing, out of reach, or talks nonsense
            └── AuthorityDisagreementError   it rules otherwise than the same rule in Python

"Denied" is not in the tree: a denial is a value (`kmssim.evaluator.decision.Decision`), never an exception.
Each message says what is wrong, where, and what to do; the command line prints it and exits with 2.
"""

from __future__ import annotations


class KmssimError(Exception):
    """Root of the tree. `str(error)` is the whole message, ready to be shown to a person."""


class InputError(KmssimError):
    """Broken input: `what` is wrong at `path` (a JSON path, "" for the whole) of `file` (None: not a file)."""

    def __init__(self, what: str, *, path: str = "", file: str | None = None, hint: str = "") -> None:
        """Keep the parts, so that an outer reader can add the file or prefix the path."""
        super().__init__(what)
        self.what = what
        self.path = path
        self.file = file
        self.hint = hint

    def __str__(self) -> str:
        """Say `file: $.path: what (hint)`, leaving out the parts that are not known."""
        parts = [self.file] if self.file else []
        if self.path:
            parts.append(f"$.{self.path}" if not self.path.startswith("[") else f"${self.path}")
        parts.append(self.what)
        message = ": ".join(parts) + (f" ({self.hint})" if self.hint else "")
        # what a person wrote may hold anything; a message is one line, and moves no cursor
        return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in message)


class PolicyError(InputError):
    """A policy document that AWS would refuse.

    `code` is the code that the AWS service behind that kind of policy reports, `rule` the rule that is broken.
    """

    def __init__(self, what: str, *, path: str, code: str, rule: str) -> None:
        """`path` is relative to the document; an outer reader prefixes where the document stands."""
        super().__init__(what, path=path, hint=f"{code}, rule {rule}")
        self.code = code
        self.rule = rule


class SetupError(KmssimError):
    """The machine or the installation lacks something; the message says what to do about it."""


class NetworkEscapeError(SetupError):
    """A connection that would have left the machine. Not an OSError on purpose: nothing retries or swallows it."""


class AuthorityError(SetupError):
    """The decision authority does not rule. The call that asked is refused; no other authority stands in for it."""


class AuthorityDisagreementError(AuthorityError):
    """The authority's ruling and the Python rule's differ; the message shows the facts and both rulings."""
