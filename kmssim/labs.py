"""Labs: find them, read what they say about themselves, and hold their scenario against the prediction.

A lab is a folder `NN_name` with five files: `metadata.json`, `architecture.md`, `scenario.json`, `test_lab.py`, and
`index.html`, which is made from the others.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmssim.errors import InputError
from kmssim.lab_metadata import Metadata, read_metadata

if TYPE_CHECKING:
    from kmssim.scenario import Scenario

FILES = ("metadata.json", "architecture.md", "index.html", "scenario.json", "test_lab.py")

_FOLDER_NAME = re.compile(r"\d\d_[a-z0-9_]+")


@dataclass(frozen=True)
class Lab:
    """A lab's folder. Nothing is read before it is asked for."""

    folder: Path

    @property
    def id(self) -> str:
        """The folder's name, which never changes."""
        return self.folder.name

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

    def read_metadata(self) -> Metadata:
        """Read and check `metadata.json`. Raises InputError with its JSON path."""
        metadata = read_metadata(self.metadata)
        if metadata.id != self.id:
            raise InputError(f"must be the folder's name `{self.id}`", path="id", file=str(self.metadata))
        return metadata

    def read_scenario(self) -> Scenario:
        """Load `scenario.json`. Raises InputError."""
        from kmssim.scenario import load_scenario  # noqa: PLC0415 - listing labs needs no pydantic

        return load_scenario(self.scenario)


def labs_folder() -> Path:
    """The `labs` here, or in the nearest folder above that has some, or in the checkout that this package runs from."""
    here = Path.cwd()
    checkout = Path(__file__).resolve().parent.parent
    candidates = [Path("labs"), *(parent / "labs" for parent in here.parents), checkout / "labs"]
    for candidate in candidates:
        if any(_is_lab(folder) for folder in _entries(candidate)):
            return candidate
    raise InputError(f"no labs in {here} or above", hint="name a scenario file, or go to the folder that holds `labs`")


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
    labs = find_labs(folder)
    for lab in labs:
        if name == lab.id or (name.isdecimal() and int(name) == lab.number):
            return lab
    raise InputError(f"there is no lab `{name}`", hint=_closest(name, [lab.id for lab in labs]))


def _closest(name: str, ids: Sequence[str]) -> str:
    """Near names: those that contain it, else those spelled alike; else all there are."""
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


def find_scenarios(named: Iterable[str] = ()) -> list[Path]:
    """The scenarios that a person names; all labs' if none is named. Raises InputError."""
    paths = [find_scenario(name) for name in named]
    return paths or [lab.scenario for lab in find_labs()]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a lab: which request, and what of it."""

    request: str
    text: str


def check_prediction(lab: Lab) -> list[Finding]:
    """Hold each request's stated expectation against the evaluator; empty where all hold."""
    from kmssim.authority import find_authority  # noqa: PLC0415 - listing labs needs no evaluator
    from kmssim.evaluator.pdp import decide  # noqa: PLC0415
    from kmssim.expectations import unmet_expectations  # noqa: PLC0415

    scenario = lab.read_scenario()
    findings = []
    for request in scenario.requests:
        if request.expect is None:
            findings.append(Finding(request.name, "the request states no expectation"))
            continue
        unmet = unmet_expectations(request.expect, decide(scenario.world, request.call, find_authority()))
        findings += [Finding(request.name, text) for text in unmet]
    return findings


def check_simulation(lab: Lab) -> list[Finding]:
    """Make each request for real and hold the answer against the prediction; empty where they agree."""
    from kmssim.compare import compare_scenario  # noqa: PLC0415 - only this needs the runtime

    return [
        Finding(row.name, f"predicted {row.predicted}, the sandbox answered {row.sandbox}")
        for row in compare_scenario(lab.read_scenario()).rows
        if not row.agrees
    ]
