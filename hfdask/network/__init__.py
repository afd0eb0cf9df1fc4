"""A page's requests to other sites: recorded during planning, replayed in chunks."""
