"""The learning loop: from doctors' decisions to frozen data sets, training runs, comparisons and promotion."""
