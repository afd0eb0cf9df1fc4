"""Planning: freeze a project into a plan."""
