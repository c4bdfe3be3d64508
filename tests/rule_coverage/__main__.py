"""`python -m tests.rule_coverage`: write RULES.md anew, after a change of the cases, the tests or the rule book."""

from __future__ import annotations

import sys

from kmssim.rules import all_rules
from tests.rule_coverage.table import PAGE, page, read_no_decision, read_shown

if __name__ == "__main__":
    PAGE.write_text(page(all_rules(), read_shown(), read_no_decision()), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(all_rules())} rules\n")
