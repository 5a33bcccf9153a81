"""Host-side cost of the pipeline, beside the peer's on the same frames and models."""
