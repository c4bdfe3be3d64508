"""Many questions at once: who may do an action on which keys, over a whole world, as `decide` would answer each.

    callers and keys ── reach ──▶ for each statement the keys that it applies to, as bits
                   ── masks ──▶ for each caller what each layer says of which keys
                   ── sweep ──▶ keys that all layers speak alike of are decided once, by `decide` itself

The cost follows the number of distinct statements and of distinct answers, not the number of pairs.
"""
