"""The files to read: found in folders, read as JSON or as YAML, each with the ids that its name and its folders hold.

Several of AWS's answers do not say what they are about: GetKeyPolicy names no key, ListPoliciesForTarget no target.
What is about a key therefore says so by its name or by its folder, or `--key ID=FILE` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kmssim.errors import InputError
from kmssim.exports.notes import Notes, Spot
from kmssim.exports.parts import Part
from kmssim.strict_json import check_json, parse_json, read_json

_YAML = (".yaml", ".yml")
_READ = (".json", ".template", *_YAML)

KEY_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|mrk-[0-9a-f]{32}")
ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[0-9]{12}(?![0-9A-Za-z])")
REGION = re.compile(
    r"(?<![a-z])(?:af|ap|ca|cn|eu|il|me|mx|sa|us)-(?:[a-z]+-)?(?:central|north|south|east|west)[a-z]*-[0-9](?![0-9])"
)
UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")
ROOT = re.compile(r"(?<![0-9a-z])r-[0-9a-z]{4,32}")
POLICY = re.compile(r"(?<![0-9a-z])p-[0-9A-Za-z_]{8,128}")


@dataclass(frozen=True)
class Told:
    """What the user says beside the files. `keys`: by file the id, ARN or alias of the key that it is about.

    `account` and `region` are those of what does not say its own.
    """

    account: str | None = None
    region: str = "us-east-1"
    keys: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A file's content. `names`: its own name without ending, then its folders from the innermost out."""

    part: Part
    names: tuple[str, ...] = ()
    key: str | None = None
    is_named: bool = False

    @property
    def spot(self) -> Spot:
        """The whole file."""
        return self.part.spot

    def named(self, *patterns: re.Pattern[str]) -> str | None:
        """The id that the file's name holds, else the nearest folder's; of several forms the first that is found."""
        found = (pattern.search(_without_key_ids(name, pattern)) for name in self.names for pattern in patterns)
        return next((match.group() for match in found if match), None)


def _without_key_ids(name: str, pattern: re.Pattern[str]) -> str:
    """A key id may end in 12 digits, which are no account's."""
    return KEY_ID.sub("", name) if pattern is ACCOUNT else name


def find_sources(paths: Iterable[Path], told: Told, notes: Notes) -> list[Source]:
    """Read files, and every file in and below folders. What in a folder is neither JSON nor YAML is listed.

    Raises:
        InputError: no such file; one that was named, or ends in `.json`, and cannot be read.

    """
    keys = {file.resolve(): key for file, key in told.keys.items()}
    folder = next((file for file in keys if file.is_dir()), None)
    if folder is not None:
        raise InputError(
            "this is a folder, --key takes files", file=str(folder), hint="name the folder by the key's id"
        )
    found: dict[Path, Source] = {}
    for path in (*paths, *told.keys):
        for file, is_named in _files(path):
            if not is_named and file.suffix.lower() not in _READ:
                notes.add(Spot(str(file)), f"not read: the name ends in none of {', '.join(_READ)}")
                continue
            key = keys.get(file.resolve())
            found.setdefault(file.resolve(), Source(read_part(file), tuple(_names(file, path)), key, is_named))
    return list(found.values())


def _files(path: Path) -> Iterator[tuple[Path, bool]]:
    """The file itself, or all files below a folder but hidden ones; with it, whether the user named it."""
    if not path.is_dir():
        yield path, True
        return
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path).parts
        if file.is_file() and not any(part.startswith(".") for part in inside):
            yield file, False


def _names(file: Path, path: Path) -> Iterator[str]:
    """Only what lies below the folder that the user named, and its own name: what is above says nothing about AWS."""
    yield file.stem
    top = path.resolve() if path.is_dir() else path.resolve().parent
    folder = file.resolve().parent
    while folder != top.parent:
        yield folder.name
        folder = folder.parent


def read_part(file: Path) -> Part:
    """Read one file, by its name as YAML, else as JSON.

    Raises:
        InputError: it cannot be read, or is neither.

    """
    spot = Spot(str(file))
    if file.suffix.lower() not in _YAML:
        return Part(read_json(file), spot)
    from kmssim.exports.yaml_text import parse_yaml  # noqa: PLC0415 - most exports are JSON

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=str(file)) from None
    return Part(check_json(parse_yaml(text, str(file)), str(file)), spot)


def parse_part(text: str, spot: Spot) -> Part:
    """Text inside a file that is a document of its own, JSON or YAML."""
    if text.lstrip().startswith(("{", "[")):
        return Part(parse_json(text, spot.file), spot)
    from kmssim.exports.yaml_text import parse_yaml  # noqa: PLC0415 - most exports are JSON

    return Part(check_json(parse_yaml(text, spot.file), spot.file), spot)
