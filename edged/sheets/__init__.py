"""`edged sheet`: before and after, side by side, for a person to look at."""
