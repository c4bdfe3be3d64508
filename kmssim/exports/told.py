"""What a user says beside the files, read from the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kmssim.errors import InputError
from kmssim.exports.sources import ACCOUNT, REGION, Told


def read_told(account: str | None, region: str, keys: Iterable[str]) -> Told:
    """Check the account and the Region; `keys` are of the form `ID=FILE`.

    Raises:
        InputError: one of them is not what it should be.

    """
    if account is not None and not ACCOUNT.fullmatch(account):
        raise InputError(f"--account `{account}` is no account id", hint="12 digits")
    if not REGION.fullmatch(region):
        raise InputError(f"--region `{region}` is no Region", hint="such as us-east-1")
    files: dict[Path, str] = {}
    for each in keys:
        key, equals, file = each.partition("=")
        if not equals or not re.fullmatch(r"\S+", key) or not file:
            raise InputError(f"--key `{each}` is not of the form ID=FILE", hint="such as alias/orders=policy.json")
        files[Path(file)] = key
    return Told(account, region, files)
