"""Follows each answer to its model, data and readers, and back."""
