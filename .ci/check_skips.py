"""Fail when a test was skipped in CI because a tool it needs is not there: `check_skips.py JUNIT_XML`."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def missing_tools(report: Path) -> list[str]:
    """The skipped tests of a JUnit report whose reason says "not installed", as `test: reason`."""
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote the file a moment ago
    skips = [(case, skip.get("message", "")) for case in cases for skip in case.iter("skipped")]
    return [
        f"{case.get('classname')}.{case.get('name')}: {why}" for case, why in skips if "not installed" in why.lower()
    ]


if __name__ == "__main__":
    found = missing_tools(Path(sys.argv[1]))
    print("\n".join(["skipped for lack of a tool:", *found]) if found else "no test was skipped for lack of a tool")
    sys.exit(1 if found else 0)
