"""AWS's error sentences read back: what they mean, which policy to open, and what a world says of the same call.

`wrapping` takes a sentence out of what a tool printed around it, `sentence` and `errors` read it, `words` says what it
means, `in_world` asks a world, `report` shows it all. Nothing here decides.
"""
