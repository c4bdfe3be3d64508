"""Labs for a class as one zip, and what comes back: zips or folders, of which only the edited files are taken."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from kmssim.errors import InputError, SetupError
from kmssim.labs.folder import Lab, find_labs, lab_named
from kmssim.labs.progress_file import FILE, Progress
from kmssim.labs.workspace import FOR_LEARNERS, begin, copy_lab

_LARGEST = 1024 * 1024
_WHEN = (2026, 1, 1, 0, 0, 0)


def pack(shipped: Path, names: Sequence[str], out: Path, progress: Progress) -> tuple[str, ...]:
    """Write the labs of a class into a zip that is the same on every run. The ids of the labs in it.

    `shipped` are the labs as this class gets them, `progress` is what each learner begins with. Raises InputError,
    SetupError.
    """
    known = find_labs(shipped)
    labs = [lab_named(name, known) for name in names] or [lab for lab in known if lab.exercise.is_dir()]
    with tempfile.TemporaryDirectory(prefix="kmssim-pack-") as scratch:
        folder = Path(scratch, "kmssim-labs")
        for lab in labs:
            copy_lab(lab, folder / lab.id, FOR_LEARNERS)
        begin(folder, progress)
        try:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
                for file in sorted(folder.rglob("*")):
                    if file.is_file():
                        entry = zipfile.ZipInfo(str(file.relative_to(folder.parent)), _WHEN)
                        zipped.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
        except OSError as error:
            raise SetupError(f"cannot write {out}: {error.strerror or error}") from None
    return tuple(lab.id for lab in labs)


def hand_ins(folder: Path) -> tuple[Path, ...]:
    """The zips and folders of a class, by name. Raises InputError where there are none."""
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}")
    found = tuple(entry for entry in sorted(folder.iterdir()) if entry.suffix == ".zip" or _has_a_lab(entry))
    if not found:
        raise InputError(f"{folder} holds no hand-ins", hint="a hand-in is a zip or a folder with lab folders in it")
    return found


def _has_a_lab(entry: Path) -> bool:
    return entry.is_dir() and (any(entry.glob("**/exercise")) or (entry / FILE).is_file())


def take_answers(hand_in: Path, labs: Sequence[Lab], target: Path) -> dict[str, str]:
    """Write the edited files of each lab into `target/LAB/`. The ids of the labs that the hand-in has.

    With each id stands why its answer was not taken, or "". Nothing else is taken: no path leads out of `target`, and
    no file is larger than a megabyte. Raises InputError for a zip that cannot be read.
    """
    wanted = {
        (lab.id, "exercise", *PurePosixPath(edit.path).parts): (lab.id, edit.path)
        for lab in labs
        for edit in lab.read_metadata().edit
    }
    longest = max((len(parts) for parts in wanted), default=0)
    found: dict[str, str] = {}
    for name, content in _files_of(hand_in):
        parts = PurePosixPath(name).parts
        for length in range(3, min(longest, len(parts)) + 1):
            known = wanted.get(parts[-length:])
            if known is not None and content is None:
                found[known[0]] = f"{known[1]} is larger than a megabyte"
            elif known is not None and content is not None:
                file = target / known[0] / known[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                found.setdefault(known[0], "")
    return found


def _files_of(hand_in: Path) -> Iterator[tuple[str, bytes | None]]:
    """Every file with what it holds; None: too much."""
    if hand_in.is_dir():
        for file in sorted(hand_in.rglob("*")):
            if file.is_file():
                is_small = file.stat().st_size <= _LARGEST
                yield file.relative_to(hand_in).as_posix(), file.read_bytes() if is_small else None
        return
    try:
        with zipfile.ZipFile(hand_in) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    yield entry.filename, zipped.read(entry) if entry.file_size <= _LARGEST else None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"cannot be unzipped: {error}", file=str(hand_in)) from None
