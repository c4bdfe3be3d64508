"""A learner's folder: copies of the labs to work in, the progress file, and what is current.

Solutions, wrong answers and check functions stay with the installation and are read from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kmssim.errors import InputError, SetupError
from kmssim.labs.folder import Lab, find_labs, lab_named, shipped_folder
from kmssim.labs.metadata import Metadata
from kmssim.labs.outcomes import Report
from kmssim.labs.progress_file import FILE, Progress, Record, Standing, read_progress, write_progress
from kmssim.labs.variants import Variant, answer_in

DEFAULT_NAME = "kmssim-labs"
FOR_LEARNERS = ("exercise", "scenario.json", "metadata.json", "architecture.md", "index.html", "test_lab.py")
_PYTEST = "[pytest]\n# every lab has a test_lab.py of its own\naddopts = --import-mode=importlib\n"
_README = """# Your labs

Each folder is a lab. Edit the files in its `exercise/` folder; nothing else has to be touched.

    kmssim lab            what to do now
    kmssim lab watch      check on every save
    kmssim lab check      check once
    kmssim lab hint       three steps, none of them shameful
    kmssim lab next       go on
    kmssim lab open --list    all labs and your progress, in a browser

`kmssim-labs.json` holds your progress. Nothing here is sent anywhere.
"""


@dataclass(frozen=True)
class Standings:
    """A lab as the list shows it."""

    lab: Lab
    metadata: Metadata
    record: Record
    standing: Standing


@dataclass(frozen=True)
class Workspace:
    """A folder in which labs were started; `shipped` are the labs as they came, with solutions and checks."""

    folder: Path
    shipped: Path

    def read(self) -> Progress:
        """The learner's progress. Raises InputError for a broken file."""
        return read_progress(self.folder)

    def write(self, progress: Progress) -> None:
        """Keep the progress. Raises SetupError."""
        write_progress(self.folder, progress)

    def labs(self) -> tuple[Lab, ...]:
        """The labs that lie here, as shipped."""
        return tuple(lab for lab in find_labs(self.shipped) if (self.folder / lab.id).is_dir())

    def copy_of(self, lab: Lab) -> Path:
        """The learner's own folder of a lab."""
        return self.folder / lab.id

    def answer(self, lab: Lab) -> Variant:
        """The learner's answer as it is on disk."""
        return answer_in(self.copy_of(lab) / "exercise", lab)

    def find(self, name: str | None = None) -> Lab:
        """A lab by id or number; without a name the one whose folder this is, else the current, else the next.

        Raises InputError.
        """
        if name is None:
            return self._here() or self._current()
        wanted = Path(name).resolve().name if (Path(name) / "metadata.json").is_file() else name
        lab = lab_named(wanted, find_labs(self.shipped))
        if lab.id not in {other.id for other in self.labs()}:
            raise InputError(
                f"lab {lab.id} is not in {self.folder}", hint="`kmssim lab start` adds labs that are missing"
            )
        return lab

    def _here(self) -> Lab | None:
        here = Path.cwd().resolve()
        inside = here.relative_to(self.folder.resolve()).parts if here.is_relative_to(self.folder.resolve()) else ()
        return next((lab for lab in self.labs() if inside and lab.id == inside[0]), None)

    def _current(self) -> Lab:
        current = self.read().current
        return next((lab for lab in self.labs() if lab.id == current), None) or self.next() or self.labs()[0]

    def standings(self) -> tuple[Standings, ...]:
        """Every lab with where the learner stands, from the files as they are now."""
        progress = self.read()
        found = []
        for lab in self.labs():
            answer = self.answer(lab)
            record = progress.of(lab.id)
            standing = record.standing(answer.digest, answer.metadata.version)
            found.append(Standings(lab, answer.metadata, record, standing))
        return tuple(found)

    def next(self) -> Lab | None:
        """The first lab that is open or stale and builds only on labs that are done or skipped; else the first open."""
        standings = self.standings()
        passed = {each.lab.id for each in standings if each.standing in {Standing.DONE, Standing.SKIPPED}}
        here = {each.lab.id for each in standings}
        waiting = [each for each in standings if each.standing in {Standing.OPEN, Standing.STALE}]
        ready = [each for each in waiting if set(each.metadata.prerequisites) & here <= passed]
        return next((each.lab for each in (*ready, *waiting)), None)

    def go_to(self, lab: Lab) -> None:
        """Make a lab current."""
        self.write(replace(self.read(), current=lab.id))

    def note_check(self, lab: Lab, report: Report) -> Record:
        """Keep what a check of all of a lab's checks found."""
        progress, now = self.read(), int(time.time())
        known = progress.of(lab.id)
        changes: dict[str, object] = {"begun": known.begun or now}
        if report.solved:
            digest = report.variant.digest
            again = known.digest is not None and known.finished is not None
            changes |= {"digest": digest, "version": report.variant.metadata.version, "skipped": False}
            changes |= {"finished": known.finished if again else now}
        progress = replace(progress.with_record(lab.id, **changes), current=lab.id)
        self.write(progress)
        return progress.of(lab.id)

    def note(self, lab: Lab, **changes: object) -> Record:
        """Change some fields of a lab's record."""
        progress = self.read().with_record(lab.id, **changes)
        self.write(progress)
        return progress.of(lab.id)

    def reset(self, lab: Lab) -> Path:
        """Put the exercise back as shipped, keep what was there in a dated copy, and say where that is.

        Raises SetupError where the files cannot be written.
        """
        exercise = self.copy_of(lab) / "exercise"
        kept = _free(exercise.with_name(f"exercise-{datetime.now(UTC):%Y%m%d-%H%M%S}"))
        try:
            if exercise.exists():
                shutil.move(exercise, kept)
            else:
                kept.mkdir()  # it was removed: nothing is what was there
            shutil.copytree(lab.exercise, exercise)
        except OSError as error:
            raise SetupError(f"cannot reset {exercise}: {error.strerror or error}") from None
        self.note(lab, digest=None, version=None, finished=None)
        return kept


def _free(folder: Path) -> Path:
    """The name, or the first with a number behind it that nobody has."""
    candidates = [folder, *(folder.with_name(f"{folder.name}-{number}") for number in range(2, 100))]
    return next(candidate for candidate in candidates if not candidate.exists())


def workspace_at(folder: Path) -> Workspace:
    """The learner's folder of that path. Raises InputError where no labs were started there."""
    return Workspace(folder, _shipped_for(folder))


def find_workspace_here() -> Path | None:
    """This folder or one above in which labs were started; None where there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if holds_progress(folder)), None)


def holds_progress(folder: Path) -> bool:
    """Whether labs were started in this very folder."""
    return (folder / FILE).is_file()


def find_workspace_near() -> Path | None:
    """The same, or `kmssim-labs` beside."""
    beside = Path.cwd() / DEFAULT_NAME
    return find_workspace_here() or (beside if holds_progress(beside) else None)


def find_workspace() -> Workspace:
    """The learner's folder: here, above, or `kmssim-labs` beside. Raises InputError where no labs were started."""
    found = find_workspace_near()
    if found is None:
        raise InputError(f"no labs were started in {Path.cwd()} or above", hint="`kmssim lab start` writes them")
    return workspace_at(found)


def _shipped_for(folder: Path) -> Path:
    """The labs as the learner got them: a class works with a seeded copy, whose checks come from the same seed."""
    progress = read_progress(folder)
    if progress.seed is None:
        return shipped_folder()
    from kmssim.labs.seeds import seeded_labs  # noqa: PLC0415 - for classes only

    keeping = None if progress.keeping is None else frozenset(progress.keeping)
    return seeded_labs(shipped_folder(), progress.seed, keeping)


def start(folder: Path) -> tuple[Workspace, tuple[str, ...]]:
    """Copy the labs into a folder; what is there already stays. The ids of those that were added.

    Raises InputError for a folder that holds something else, SetupError where it cannot be written.
    """
    known = (folder / FILE).is_file()
    if folder.exists() and not known and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty, and no labs were started in it", hint="name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not known:
            begin(folder, Progress())
        workspace = Workspace(folder, _shipped_for(folder))
        labs = [lab for lab in find_labs(workspace.shipped) if lab.exercise.is_dir()]
        added = [lab.id for lab in labs if copy_lab(lab, folder / lab.id)]
        index = workspace.shipped / "index.html"
        if index.is_file():
            shutil.copyfile(index, folder / "index.html")
    except OSError as error:
        raise SetupError(f"cannot write {folder}: {error.strerror or error}") from None
    return workspace, tuple(added)


def begin(folder: Path, progress: Progress) -> None:
    """Write what stands beside the labs. Raises SetupError, OSError."""
    (folder / "README.md").write_text(_README, encoding="utf-8")
    (folder / "pytest.ini").write_text(_PYTEST, encoding="utf-8")
    write_progress(folder, progress)


def copy_lab(lab: Lab, target: Path, names: Sequence[str] = FOR_LEARNERS) -> bool:
    """Copy what a learner gets; False where the lab is there already."""
    if target.exists():
        return False
    target.mkdir(parents=True)
    for name in names:
        source = lab.folder / name
        if source.is_dir():
            shutil.copytree(source, target / name)
        elif source.is_file():
            shutil.copyfile(source, target / name)
    return True
