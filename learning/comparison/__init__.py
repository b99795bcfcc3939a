"""Compares a challenger with the model in service and judges the result."""
