"""Collects, builds, compares and writes frozen data sets."""
