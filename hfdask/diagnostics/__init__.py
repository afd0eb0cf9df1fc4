"""What this machine and the workers of a cluster would render with."""
