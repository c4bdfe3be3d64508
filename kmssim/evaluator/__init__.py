"""The pure room: who may do what with which key, decided from a declared world.

Standard library only; no clock, no files, no environment, no runtime. Start reading at `pdp.decide`.
"""
