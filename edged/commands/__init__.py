"""One file a group of commands; each is thin and says what it does in its help."""
