"""The learning loop in words and figures, as its pages show it. Nothing here decides anything."""
