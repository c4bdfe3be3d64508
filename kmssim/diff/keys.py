"""Which key of the old world is which key of the new one."""

from __future__ import annotations

from dataclasses import dataclass

from kmssim.evaluator.world import Key, World


@dataclass(frozen=True, eq=False)
class KeyPair:
    """One key in both worlds; None on the side where it is not there. At least one side has it."""

    old: Key | None
    new: Key | None

    @property
    def key(self) -> Key:
        """The key as it is in the end; as it was, where it is gone."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - stated above
        return found

    @property
    def name(self) -> str:
        """What a person calls it: its label, else an alias, else its id."""
        return self.key.label or next(iter(self.key.aliases), "") or self.key.id


def pair_keys(old: World, new: World) -> tuple[KeyPair, ...]:
    """Every key of both worlds once: paired by ARN, else by label inside an account."""
    left = dict(old.keys_by_arn)
    pairs = [KeyPair(left.pop(arn, None), key) for arn, key in new.keys_by_arn.items()]
    by_label = {(key.account, key.label): key for key in left.values() if key.label}
    for index, pair in enumerate(pairs):
        was = by_label.pop((pair.key.account, pair.key.label), None) if pair.old is None else None
        if was is not None:
            pairs[index] = KeyPair(was, pair.new)
            del left[was.arn]
    return (*pairs, *(KeyPair(key, None) for key in left.values()))
