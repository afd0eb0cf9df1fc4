"""What in a project would break, differ from chunk to chunk, or be slow."""
