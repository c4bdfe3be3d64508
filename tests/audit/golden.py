"""The words of every finding as a person reads them, from the small worlds: `findings.txt`.

`python tests/audit/golden.py` writes it again; read the difference before it is kept.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from audit_worlds import FILES, WORLDS

from kmssim.audit.report import finding_lines
from kmssim.audit.run import Outcome, audit_subject, put_off, subject_of
from kmssim.audit.wording import WORDING
from kmssim.scenario import parse_scenario

PAGE = Path(__file__).with_name("findings.txt")
TODAY = date(2026, 6, 1)

SUPPRESSIONS = """{"suppressions": [
  {"finding": "cross-account", "where": "accounts.*", "reason": "ticket 7", "expires": "2026-12-31"},
  {"finding": "public-access", "where": "*", "reason": "until the move is done", "expires": "2026-05-31"}
]}
"""


def audited(name: str, folder: Path) -> Outcome:
    """The audit of one small world."""
    for file, content in FILES.items():
        (folder / file).write_text(json.dumps(content))
    return put_off([audit_subject(subject_of(parse_scenario(WORLDS[name], folder=folder)))], None, TODAY)


def page() -> str:
    """Every finding once, in the order of the wording table."""
    with TemporaryDirectory() as folder:
        found = {name: audited(name, Path(folder)) for name in WORLDS}
        file = Path(folder, "suppressions.json")
        file.write_text(SUPPRESSIONS)
        stale = put_off(found["public-access"].reports, str(file), TODAY).stale
    by_id = {
        name: next(finding for finding in outcome.findings if finding.id == name) for name, outcome in found.items()
    } | {finding.id: replace(finding, where=replace(finding.where, file="kmssim-audit.json")) for finding in stale}
    blocks = [[by_id[name].severity.value.upper(), *finding_lines(by_id[name])] for name in WORDING]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
