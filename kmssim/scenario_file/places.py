"""Where a reader stands in a scenario file, and how it refuses what it finds there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmssim.errors import InputError
from kmssim.strict_json import join_path, printable

_MOST_NAMES = 8


@dataclass(frozen=True)
class Place:
    """A spot in a document: `path` in `file`. Files that the document names are relative to `folder`, if it has one.

    `moved`: files that lie elsewhere, by the name that the document has for them.
    """

    file: str | None = None
    folder: Path | None = None
    path: str = ""
    moved: Mapping[str, Path] = field(default_factory=dict)

    def target(self, reference: str) -> Path:
        """Where the file lies that the document calls `reference`."""
        return self.moved.get(reference) or (self.folder or Path()) / reference

    def at(self, *steps: str | int) -> Place:
        """The spot some member names or list positions further in."""
        return replace(self, path=join_path(self.path, *steps))

    def refusal(self, what: str, hint: str = "") -> InputError:
        """The error that says what is wrong here."""
        return InputError(printable(what), path=self.path, file=self.file, hint=printable(hint))

    def unknown(self, what: str, name: str, known: Iterable[str]) -> InputError:
        """The error for a name that nothing here has; it offers those that come near."""
        return self.refusal(what, near_names(name, known))


def near_names(name: str, known: Iterable[str]) -> str:
    """A hint: the known names close to `name`, or, where none is, what there is."""
    names = list(dict.fromkeys(known))
    small = {each.lower(): each for each in reversed(names)}
    import difflib  # noqa: PLC0415 - for mistakes only

    near = [small[each] for each in difflib.get_close_matches(name[:200].lower(), small, n=3, cutoff=0.6)]
    if near:
        return f"did you mean {' or '.join(f'`{each}`' for each in near)}?"
    if not names:
        return "there are none"
    listed = ", ".join(f"`{each}`" for each in names[:_MOST_NAMES])
    return f"there is {listed}" + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


@dataclass
class Problems:
    """The mistakes found so far, in document order."""

    found: list[InputError] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a mistake and go on after the block."""
        try:
            yield
        except InputError as error:
            self.found.append(error)

    def raise_first(self) -> None:
        """Raise the first mistake, if any, and say how many more there are."""
        if self.found:
            raise with_count(self.found[0], len(self.found) - 1)


def with_count(error: InputError, more: int) -> InputError:
    """Add to the hint how many problems there are beside this one."""
    if more:
        count = f"and {more} more problem{'s' if more > 1 else ''}"
        error.hint = f"{error.hint}; {count}" if error.hint else count
    return error
