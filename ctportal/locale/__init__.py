"""The catalogues of translations, and the program that keeps them in step with the code."""
