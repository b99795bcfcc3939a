"""Writes the card of a model."""
