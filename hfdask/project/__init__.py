"""A composition's files, as they are found."""
