"""Assembly of chunks to a video."""
