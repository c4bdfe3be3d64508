"""Posture findings about exposure, lock-out and breakage, each with a witness that `decide` replays."""
