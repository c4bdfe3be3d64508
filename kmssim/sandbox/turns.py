"""One call at a time: moto's dictionaries are not made for threads, and a decision must not read a half-made change.

Between the change that a call makes in moto and the moment at which the world is read again nobody else may look. So
whoever passes the gate, reads the world or seeds it does so in its turn. Everything happens in this process, under
Python's own lock, so nothing is lost by it.
"""

from __future__ import annotations

import threading

TURN = threading.RLock()
"""Held by one thread at a time, as often as it likes: a call of S3's that calls KMS is one turn.

It comes before every other lock of this room. Never wait for another thread's call inside.
"""
