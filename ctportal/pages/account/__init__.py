"""Shows profiles, members and the event record."""
