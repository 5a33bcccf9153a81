"""Graph surgery: public model files become the one form that every runtime takes.

A prepared graph takes uint8 pictures and gives uint8 pictures, vectors or places; its
tensors have fixed names (see `prepare`), whatever the file calls them.
"""
