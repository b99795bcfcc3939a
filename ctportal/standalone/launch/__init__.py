"""Starts the whole portal on one machine, with one command."""
