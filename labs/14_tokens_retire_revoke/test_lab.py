"""This lab, held to what it promises; in a learner's copy, a test for each check."""

from kmssim.labs.testing import lab_tests

globals().update(lab_tests(__file__))
