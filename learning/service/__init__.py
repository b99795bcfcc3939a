"""Puts models into service, back out of it, and runs candidates in shadow mode."""
