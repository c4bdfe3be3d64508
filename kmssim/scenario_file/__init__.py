"""The parts of a scenario file, read and written: a module for each thing in it; `scenario.py` puts them together."""
