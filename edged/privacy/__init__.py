"""The guard, consent, isolation, and the only way out of the engine."""
