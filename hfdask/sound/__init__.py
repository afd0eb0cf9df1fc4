"""Sound: the automation and effects of tracks, and their mix (docs/compositions.md, 10)."""
