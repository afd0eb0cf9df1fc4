"""How chunks of a plan become files of frames."""
