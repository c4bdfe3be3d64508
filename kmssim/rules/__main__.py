"""`python -m kmssim.rules`: write index.json anew after an edit of the rule book."""

from __future__ import annotations

import sys

from kmssim.errors import InputError
from kmssim.rules import BOOK, INDEX
from kmssim.rules.parse import dump_index, parse_book


def main() -> int:
    """Parse the book and write the index. Exit code 2 if the book is not written as the parser expects."""
    try:
        rules = parse_book(BOOK.read_text(encoding="utf-8"))
    except InputError as error:
        sys.stderr.write(f"{BOOK.name}: {error}\n")
        return 2
    INDEX.write_text(dump_index(rules), encoding="utf-8")
    sys.stdout.write(f"{INDEX.name}: {len(rules)} rules\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
