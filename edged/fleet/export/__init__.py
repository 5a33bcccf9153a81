"""Files for what operators already run, all generated from the health document's definition."""
