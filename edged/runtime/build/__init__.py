"""Engines: built in processes of their own, accepted against FP32, kept with a manifest."""
