"""Two versions of a world, or of one key policy, compared: who gains and who loses access to which keys.

`sides` reads the two versions, `changes` asks every question of both, `rows` and `report` tell what differs. Every
answer is that of `decide`.
"""
