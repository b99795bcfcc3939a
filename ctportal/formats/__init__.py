"""How each language writes days and times, where Django's own way is longer than a table has room for."""
