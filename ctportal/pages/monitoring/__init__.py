"""Shows monitoring, the models and where each answer comes from."""
