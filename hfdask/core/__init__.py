"""Values and small helpers that all layers share."""
