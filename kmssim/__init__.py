"""A simulated AWS KMS with an evaluator that predicts and explains every authorization decision."""

__all__ = ["__version__"]

__version__ = "0.1.0"
