"""The simulated AWS account: moto in memory, our authorization in front of it, and no way out of this machine.

This room may import moto and boto3, so nothing is imported here: name the module that you need.
"""
