"""The verbs of the command line, a module each: what it takes, whom it calls, what it prints.

A verb holds no rule, and imports what it needs when it runs: `kmssim --help` and `kmssim decide` start without moto.
"""
