"""Many devices seen from outside, on the topics of one broker and nothing else."""
