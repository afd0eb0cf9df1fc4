"""How chunks become one video."""
