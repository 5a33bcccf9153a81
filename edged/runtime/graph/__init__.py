"""Graph surgery: public model files become the one form that every runtime takes.

A prepared graph takes uint8 pictures and gives uint8 pictures, vectors or places; its
tensors have fixed names (see `prepare`), whatever the file calls them.

    load        reads a file by its recipe
    prepare     the steps in their order, and the names
    work        a file on the bench: tidied, outputs cut, ends declared
    fold        shapes worked out beforehand
    modulation  StyleGAN2's styles moved from the weights to the activations
    batch       one face opened for several, by the rules of axes (axes_*)
    crops, detectors (anchors, upsample)
                what each family has before and after its network
    pictures    bytes to planes and back
    proof       faces together against faces alone
    emit, tools nodes and graphs
    picture     graphs of ours that cut, paste and scale pictures on a device
"""
