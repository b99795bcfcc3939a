"""How the models do in service: figures, drift, agreement, lineage."""
