"""Fail when the kmssim that this Python has installed lacks a file of the checkout's: `check_installed.py CHECKOUT`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path


def files_left_out(checkout: Path, installed: Path) -> list[str]:
    """The tracked files under kmssim/ (modules, data, templates) that the wheel did not bring."""
    listing = ["git", "-C", str(checkout), "ls-files", "kmssim"]
    tracked = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\n")  # noqa: S603
    return [name for name in tracked if name and not (installed / name).is_file()]


if __name__ == "__main__":
    left_out = files_left_out(Path(sys.argv[1]), Path(sysconfig.get_path("purelib")))
    print(f"not in the wheel: {', '.join(left_out)}" if left_out else "the wheel holds every file of kmssim")
    sys.exit(1 if left_out else 0)
