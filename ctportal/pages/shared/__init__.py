"""Holds what pages of all subjects use."""
