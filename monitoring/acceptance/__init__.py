"""Site acceptance: whether a model holds at a site, the operating point proposed for it, and what managers decide."""
