"""The sound of videos: mixed while planning, and encoded once while chunks render."""
