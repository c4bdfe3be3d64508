"""Small labs for tests of the framework: those that `kmssim lab new` writes, and changes to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmssim.labs.folder import Lab
from kmssim.labs.new import write_new_lab

NAMES = {"fix": "51_fix_it", "predict": "52_predict_it", "write": "53_write_it", "attack": "54_attack_it"}


def sample(folder: Path, kind: str = "fix") -> Lab:
    """A whole lab of a type, with a page that is not looked at."""
    lab = Lab(write_new_lab(folder, NAMES[kind], kind))
    lab.page.write_text("page", encoding="utf-8")
    return lab


def change(file: Path, edit: Callable[[Any], object]) -> None:
    """Change a JSON file in place."""
    document = json.loads(file.read_text(encoding="utf-8"))
    edit(document)
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def write_code(lab: Lab, text: str) -> None:
    """Write the code of a `write` sample's exercise."""
    (lab.exercise / "orders.py").write_text(text, encoding="utf-8")


def topics(found: Any) -> dict[str, str]:
    """What `verify` found wrong, by topic."""
    return {each.topic: each.said for each in found if not each.holds}
