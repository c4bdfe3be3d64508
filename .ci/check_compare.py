"""Check what the main job said about the first lab: `check_compare.py COMPARE_JSON`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

LAB = "01_key_policy_must_trust"
SENTENCE = "is not authorized to perform: kms:Decrypt"


def broken_promises(report: dict) -> list[str]:
    """What `kmssim compare --json` must say and does not; raises StopIteration when the lab is missing."""
    scenario = next(scenario for scenario in report["scenarios"] if LAB in scenario["file"])
    row, totals = scenario["rows"][0], report["totals"]
    promises = {
        "predicted DENY": row["predicted"]["decision"] == "DENY",
        "moto ALLOW": row["moto"]["decision"] == "ALLOW",
        "sandbox DENY": row["sandbox"]["decision"] == "DENY",
        "sandbox AccessDeniedException": row["sandbox"]["error"] == "AccessDeniedException",
        "AWS's sentence": SENTENCE in (row["sandbox"]["message"] or ""),
        "the row agrees": row["agrees"] is True,
        "why moto differs": bool(row["moto_differs_because"]),
        "every row agrees": totals["agree"] == totals["requests"] > 0,
        "every expectation holds": totals["as_expected"] == totals["expected"] > 0,
    }
    return [promise for promise, kept in promises.items() if not kept]


if __name__ == "__main__":
    broken = broken_promises(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(f"{LAB}: " + (f"not so: {', '.join(broken)}" if broken else "predicted DENY, moto ALLOW, sandbox DENY"))
    sys.exit(1 if broken else 0)
