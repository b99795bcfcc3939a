"""The whole portal on one machine, with one command."""
