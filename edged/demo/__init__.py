"""The main job with embedded parts only, for a person to look at."""
