"""Labs with other names, account numbers and key ids, by a seed: whoever copies an answer with literal ids fails.

A seed renames the same things the same way in every file of a lab, so the lab teaches the same. Accounts, keys and
organizations are renamed wherever they stand; roles and users where an ARN or the scenario names them. A lab in which
a name means more, or is put together from parts, so that its solution no longer passes, keeps its names.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kmssim.labs.checking import check_answer
from kmssim.labs.folder import Lab, find_labs
from kmssim.labs.variants import solution_of

_ACCOUNT = re.compile(r"(?<![\w-])\d{12}(?![\w-])")
_KEY = re.compile(r"(?<![\w-])(mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![\w-])")
_ORGANIZATION = re.compile(r"(?<![\w-])o-[a-z0-9]{10,32}(?![\w-])")
_NOBODY = "000000000000"
_TEXTS = {".json", ".py", ".md"}
_LETTERS = "bcdfghjkmnpqrstvwxz"


@cache
def seeded_labs(shipped: Path, seed: int, keeping: frozenset[str] | None = None) -> Path:
    """A folder with the labs of `shipped`, renamed by the seed; it lives as long as this process.

    `keeping`: the ids of the labs that keep the names of roles and users; None: `keeping_names` finds out, which takes
    as long as running their solutions.
    """
    target = Path(tempfile.mkdtemp(prefix=f"kmssim-seed-{seed}-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    keeping = keeping_names(shipped, seed) if keeping is None else keeping
    for lab in find_labs(shipped):
        seed_lab(lab, target / lab.id, seed, keeps_names=lab.id in keeping)
    return target


@cache
def keeping_names(shipped: Path, seed: int) -> frozenset[str]:
    """The ids of the labs whose solution does not pass with other names. Raises InputError for a lab that is broken."""
    return frozenset(lab.id for lab in find_labs(shipped) if not _bears_renaming(lab, seed))


def _bears_renaming(lab: Lab, seed: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="kmssim-seed-") as scratch:
        renamed = Lab(Path(scratch, lab.id))
        seed_lab(lab, renamed.folder, seed)
        return check_answer(solution_of(renamed), simulated=False).solved


def seed_lab(lab: Lab, target: Path, seed: int, *, keeps_names: bool = False) -> None:
    """Write a renamed copy of a lab; one that `keeps_names` has other numbers only."""
    _write(lab, target, seed, frozenset() if keeps_names else _names_in(lab))


def _write(lab: Lab, target: Path, seed: int, names: frozenset[str]) -> None:
    for file in sorted(lab.folder.rglob("*")):
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        copy = target / file.relative_to(lab.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix not in _TEXTS:
            shutil.copyfile(file, copy)
            continue
        text = rename(file.read_text(encoding="utf-8"), seed, names)
        if file in {lab.scenario, lab.metadata}:
            text = json.dumps(_renamed_members(json.loads(text), seed, names), indent=2, ensure_ascii=False) + "\n"
        copy.write_text(text, encoding="utf-8")


def _names_in(lab: Lab) -> frozenset[str]:
    accounts = json.loads(lab.scenario.read_text(encoding="utf-8")).get("accounts", {})
    return frozenset(
        name
        for account in accounts.values()
        for kind in ("roles", "users")
        for name in account.get(kind, {})
        if not name.startswith(("aws:", "AWSServiceRole"))
    )


def rename(text: str, seed: int, names: frozenset[str]) -> str:
    """Rename what a seed renames in a text."""
    text = _ACCOUNT.sub(lambda found: _account(found[0], seed), text)
    text = _KEY.sub(lambda found: _key(found[0], seed), text)
    text = _ORGANIZATION.sub(lambda found: f"o-{_hex(found[0], seed)[:10]}", text)
    for name in sorted(names):
        after = r"(?![\w+=,.@-])"
        pattern = rf"((?:role|user|assumed-role)/(?:[\w+=,.@-]+/)*){re.escape(name)}{after}"
        text = re.sub(pattern, lambda found, name=name: found[1] + new_name(name, seed), text)  # type: ignore[misc]
    return text


def new_name(name: str, seed: int) -> str:
    """What a role or user is called under a seed."""
    digits = int(_hex(name, seed)[:6], 16)
    return f"{name}-{''.join(_LETTERS[digits // len(_LETTERS) ** place % len(_LETTERS)] for place in range(3))}"


def _account(account: str, seed: int) -> str:
    if account == _NOBODY:
        return account
    return f"{int(_hex(account, seed)[:12], 16) % 900_000_000_000 + 100_000_000_000}"


def _key(key: str, seed: int) -> str:
    digits = _hex(key, seed)
    if key.startswith("mrk-"):
        return f"mrk-{digits[:32]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _hex(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def _renamed_members(document: Any, seed: int, names: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    """Names that stand by themselves: of an account's roles and users, and of whom a check's matrix speaks."""
    if isinstance(document, Mapping):
        renamed = {}
        for name, value in document.items():
            inner = _renamed_members(value, seed, names)
            if name in {"roles", "users"} and isinstance(inner, dict):
                inner = {new_name(each, seed) if each in names else each: known for each, known in inner.items()}
            if name == "principal" and isinstance(inner, str) and inner in names:
                inner = new_name(inner, seed)
            renamed[name] = inner
        return renamed
    return [_renamed_members(item, seed, names) for item in document] if isinstance(document, list) else document
