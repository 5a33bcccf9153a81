"""What runs a network: the session protocol and its runtimes."""
