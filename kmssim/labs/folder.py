"""Labs as folders: what is in one, where labs are, and how people name them.

A lab is a folder `NN_name`. `metadata.json`, `architecture.md`, `scenario.json`, `test_lab.py`, the generated
`index.html`, `exercise/`, `solution/` and `wrong/` are in all of them; `checks.py` in those whose checks are code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmssim.errors import InputError

if TYPE_CHECKING:
    from kmssim.labs.metadata import Metadata
    from kmssim.scenario import Scenario

FILES = ("metadata.json", "architecture.md", "index.html", "scenario.json", "test_lab.py")

_FOLDER_NAME = re.compile(r"\d\d_[a-z0-9_]+")
_INSTALLED = Path(__file__).resolve().parent.parent / "shipped_labs"
_CHECKOUT = Path(__file__).resolve().parent.parent.parent / "labs"


@dataclass(frozen=True)
class Lab:
    """A lab's folder. Nothing is read before it is asked for."""

    folder: Path

    @property
    def id(self) -> str:
        """The folder's name, which never changes."""
        return self.folder.resolve().name

    @property
    def number(self) -> int:
        """The two digits in front."""
        return int(self.id[:2])

    @property
    def scenario(self) -> Path:
        """The declared world and its requests."""
        return self.folder / "scenario.json"

    @property
    def metadata(self) -> Path:
        """What the lab says about itself."""
        return self.folder / "metadata.json"

    @property
    def page(self) -> Path:
        """The page that is made from the lab."""
        return self.folder / "index.html"

    @property
    def exercise(self) -> Path:
        """What the learner edits, as shipped."""
        return self.folder / "exercise"

    @property
    def solution(self) -> Path:
        """The same files, solved; a learner's copy of the lab has none."""
        return self.folder / "solution"

    @property
    def checks(self) -> Path:
        """The check functions of a lab whose checks are code."""
        return self.folder / "checks.py"

    def read_metadata(self) -> Metadata:
        """Read and check `metadata.json`. Raises InputError with its JSON path."""
        from kmssim.labs.metadata import read_metadata  # noqa: PLC0415 - finding labs needs none of it

        metadata = read_metadata(self.metadata)
        if metadata.id != self.id:
            raise InputError(f"must be the folder's name `{self.id}`", path="id", file=str(self.metadata))
        return metadata

    def read_scenario(self) -> Scenario:
        """Load `scenario.json` as shipped. Raises InputError."""
        from kmssim.scenario import load_scenario  # noqa: PLC0415 - listing labs needs no pydantic

        return load_scenario(self.scenario)


def shipped_folder() -> Path:
    """The labs that came with this installation, with solutions and checks: in the package, or in its checkout."""
    for candidate in (_INSTALLED, _CHECKOUT):
        if _has_labs(candidate):
            return candidate
    raise InputError("this installation has no labs", hint="install kmssim from a wheel, or work in its checkout")


def labs_folder() -> Path:
    """The labs here, or in the nearest folder above that has some, or those that came with this installation.

    A folder has labs when they lie in it, or in its `labs`.
    """
    here = Path.cwd()
    above = [(parent / "labs", parent) for parent in here.parents]
    candidates = [Path("labs"), Path(), *(candidate for pair in above for candidate in pair)]
    return next((candidate for candidate in candidates if _has_labs(candidate)), None) or shipped_folder()


def _has_labs(folder: Path) -> bool:
    return any(_is_lab(entry) for entry in _entries(folder))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_lab(folder: Path) -> bool:
    return bool(_FOLDER_NAME.fullmatch(folder.name)) and (folder / "metadata.json").is_file()


def find_labs(folder: Path | None = None) -> tuple[Lab, ...]:
    """All labs of a folder, by default `labs_folder()`, in their order. Raises InputError if there are none."""
    where = labs_folder() if folder is None else folder
    labs = tuple(Lab(entry) for entry in _entries(where) if _is_lab(entry))
    if not labs:
        raise InputError(
            "no labs in this folder", file=str(where), hint="a lab is a folder `NN_name` with a metadata.json"
        )
    return labs


def find_lab(name: str, folder: Path | None = None) -> Lab:
    """A lab by its id, its number or its folder. Raises InputError, with the closest ids as hint."""
    if _is_lab(Path(name).resolve()):
        return Lab(Path(name))
    return lab_named(name, find_labs(folder))


def lab_named(name: str, labs: Sequence[Lab]) -> Lab:
    """One of these labs by its id or number. Raises InputError, with the closest ids as hint."""
    for lab in labs:
        if name == lab.id or (name.isdecimal() and int(name) == lab.number):
            return lab
    raise InputError(f"there is no lab `{name}`", hint=_closest(name, [lab.id for lab in labs]))


def _closest(name: str, ids: Sequence[str]) -> str:
    """Near names: those that contain it, else those spelled alike; else all there are."""
    import difflib  # noqa: PLC0415 - for mistakes only

    asked = name.lower().replace("-", "_")
    within = [lab_id for lab_id in ids if asked and asked in lab_id]
    alike = difflib.get_close_matches(asked, [*ids, *(lab_id[3:] for lab_id in ids)], n=3, cutoff=0.5)
    near = within or [lab_id for lab_id in ids if lab_id in alike or lab_id[3:] in alike]
    return f"closest: {', '.join(near)}" if near else f"there are: {', '.join(ids)}"


def find_scenario(named: str) -> Path:
    """The scenario that a person names: a file, or a lab by id, number or folder. Raises InputError."""
    path = Path(named)
    if path.is_file():
        return path
    if path.suffix == ".json":
        raise InputError("there is no such file", file=named, hint="name a scenario file or a lab")
    return find_lab(named).scenario
