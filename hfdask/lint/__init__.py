"""What `hfdask check` knows: the rules, and how documents and scripts are read."""
