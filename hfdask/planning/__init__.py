"""How a project becomes a plan."""
