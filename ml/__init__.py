"""Chest-CT reading: pixels in, calibrated answers out. Importing this package loads no framework."""
