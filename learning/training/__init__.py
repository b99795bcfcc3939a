"""Requests, runs and follows training runs."""
