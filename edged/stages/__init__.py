"""One file a stage of the pipeline: arrays in, arrays out; no sockets, no runtime."""
