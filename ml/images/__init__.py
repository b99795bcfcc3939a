"""Reads files into pixels and prepares them for a network."""
