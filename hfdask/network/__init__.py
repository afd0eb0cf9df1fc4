"""A page's requests: recorded while planning, replayed in chunks."""
