"""Tiny networks with the exact contracts of the real models, and faces that they see.

Generated, a few megabytes, free of third-party weights: the reference package and edged
run the same files, so that answers can be held side by side and nearly all of the time
measured is the host's own.
"""
