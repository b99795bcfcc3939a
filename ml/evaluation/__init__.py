"""Measures models and compares them."""
