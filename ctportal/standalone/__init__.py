"""Runs the whole portal on one machine with one command and no servers of its own."""
