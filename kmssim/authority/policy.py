"""The policy that rules: its text, its digest, and what its parts are called."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

POLICY_FILE = "authority.rego"
POLICY_PATH = Path(__file__).with_name(POLICY_FILE)
POLICY = POLICY_PATH.read_text(encoding="utf-8")
DIGEST = hashlib.sha256(POLICY.encode()).hexdigest()
"""SHA-256 of the policy's text; every decision shows it."""

PACKAGE = "kmssim/authz"
DECISION = "decision"
"""One ruling: the input is one document of facts."""
BATCH = "batch"
"""Many rulings: the input is `{"requests": [facts, …]}`. About 256 at a time suit every engine."""
ENTRIES = (DECISION, BATCH, "version")
VERSION = re.findall(r'^version := "(.+)"$', POLICY, re.MULTILINE)[0]
"""What `data.kmssim.authz.version` says; a server with another one is not asked."""
