"""Describes, builds, stores and runs the networks."""
