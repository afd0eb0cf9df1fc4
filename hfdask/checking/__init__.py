"""Check projects for what would break, differ from chunk to chunk, or be slow."""
