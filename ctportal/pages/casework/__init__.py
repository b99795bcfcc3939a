"""Shows the worklist, patients, cases, uploads and the labelled set."""
