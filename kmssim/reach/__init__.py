"""Reach: who can do something on a key, what a principal can do, and by which paths.

Direct access is what `decide` answers (`direct`). Beyond it a search goes breadth first over hops that are each decided
(`search`): roles assumed, passed, opened or made anew and users' credentials (`becoming`), edits in IAM (`edits`), of
oneself or of somebody whom one then becomes (`arming`), tags, aliases, grants and key policies (`on_key`), and other
keys that the data goes to (`away`). Each hop's effect is made in a copy of the world, and a path is told only when the
last decision, in that copy, allows.

What is not looked at is listed in `unseen.NOT_LOOKED_AT`, and shown by `--help`: a path that is not told may exist.
"""
