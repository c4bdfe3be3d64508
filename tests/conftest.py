"""Set-up of the project's own tests."""

from __future__ import annotations

import os

from hypothesis import settings

# The same examples on every run in CI, so that red means "this change"; new ones on a developer's machine.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
