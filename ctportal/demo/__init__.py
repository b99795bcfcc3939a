"""Demonstration people and cases: phantoms that the project draws, or public research scans where there are some."""
