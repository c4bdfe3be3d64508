"""What could not be understood: where it stands, and what it is. Nothing of an export is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kmssim.errors import InputError
from kmssim.strict_json import join_path, printable


@dataclass(frozen=True)
class Spot:
    """A place in an exported file; `path` is a JSON path, "" for the whole."""

    file: str
    path: str = ""

    def at(self, *steps: str | int) -> Spot:
        """The place some steps further in."""
        return Spot(self.file, join_path(self.path, *steps))

    def refusal(self, what: str, hint: str = "") -> InputError:
        """The error that says what is wrong here."""
        return InputError(printable(what), path=self.path, file=self.file, hint=printable(hint))


@dataclass(frozen=True)
class NotUnderstood:
    """Something that the world does not show: `what` it is, and what came of it."""

    file: str
    path: str
    what: str

    def __str__(self) -> str:
        """One line, as all messages are written."""
        return str(InputError(self.what, path=self.path, file=self.file))


@dataclass
class Notes:
    """The list of what was not understood, in the order in which it was met, each once."""

    found: dict[NotUnderstood, None] = field(default_factory=dict)

    def add(self, spot: Spot, what: str) -> None:
        """Put something onto the list."""
        self.found[NotUnderstood(spot.file, spot.path, printable(what))] = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """List what a reader refuses inside the block, and go on after it."""
        try:
            yield
        except InputError as error:
            what = f"{error.what} ({error.hint})" if error.hint else error.what
            self.found[NotUnderstood(error.file or "", error.path, what)] = None
