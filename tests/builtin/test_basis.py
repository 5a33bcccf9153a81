"""What `edged.builtin.basis` promises."""

import numpy as np

from edged.builtin import basis


def test_the_blocks_fill_the_embedding():
    """All coefficients and the constant make 512."""
    assert sum(block.count for block in basis.BLOCKS) + 1 == basis.DIM


def test_both_crops_see_the_same_cosines():
    """The vectors of the 128 px crop are those of the 112 px crop, moved right."""
    for block in basis.BLOCKS:
        down, across = block.vectors(112)
        down_wide, across_wide = block.vectors(128)
        assert np.allclose(down_wide[:, :112], down)
        assert np.allclose(across_wide[:, 8:120], across)


def test_cosines_have_length_one():
    """Every row and column vector is normalised."""
    for block in basis.BLOCKS:
        for table in block.vectors(112):
            assert np.allclose(np.linalg.norm(table, axis=1), 1.0)


def test_the_way_back_rebuilds_what_the_basis_holds():
    """Features made of the basis come back within 5 % through the Gram matrix."""
    random = np.random.default_rng(3)
    blocks = [block for block in basis.BLOCKS if block.channel == 0]
    image = np.zeros((112, 112))
    for block in blocks:
        down, across = block.vectors(112)
        image += down.T @ random.standard_normal((block.rows, block.columns)) @ across
    products = np.zeros(basis.DIM - 1)
    start = 0
    for block in blocks:
        down, across = block.vectors(112)
        products[start : start + block.count] = (down @ image @ across.T).ravel()
        start += block.count
    coefficients = products @ basis.gram_inverse()
    rebuilt, start = np.zeros_like(image), 0
    for block in blocks:
        down, across = block.vectors(112)
        table = coefficients[start : start + block.count].reshape(block.rows, block.columns)
        rebuilt += down.T @ table @ across
        start += block.count
    assert np.linalg.norm(rebuilt - image) < 0.05 * np.linalg.norm(image)


def test_weights_can_be_undone():
    """No weight is near zero, as the swapper divides by them."""
    assert basis.weights().min() >= 0.15
    assert basis.weights()[-1] == 1.0


def test_cheeks_are_an_average():
    """The skin's weights are positive and sum to 1."""
    for size in (112, 128):
        assert basis.cheeks(size).min() >= 0.0
        assert np.isclose(basis.cheeks(size).sum(), 1.0)
