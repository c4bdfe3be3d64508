"""Labs: find them, check an answer, hold the lab itself to what it promises, and keep a learner's progress."""
