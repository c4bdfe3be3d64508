"""Print the lower bounds of the runtime dependencies as a pip constraints file: `lower_bounds.py PYPROJECT`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def lower_bounds(pyproject: Path) -> dict[str, str]:
    """Name → oldest supported release; raises TypeError on a dependency that states none."""
    dependencies = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    bounds = dict(re.match(r"([\w-]+)>=([\d.]+)", dependency).group(1, 2) for dependency in dependencies)
    # boto3 lets botocore run ahead within a minor release; the oldest pair is one of the same number.
    return bounds | {"botocore": bounds["boto3"]}


if __name__ == "__main__":
    print("\n".join(f"{name}=={release}" for name, release in lower_bounds(Path(sys.argv[1])).items()))
