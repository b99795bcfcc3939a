"""Trains models and builds the shipped one."""
