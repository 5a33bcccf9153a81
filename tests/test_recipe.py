"""The shipped recipes, the operator's, and what is wrong with a bad one."""

from __future__ import annotations

import pytest

from edged.errors import ConfigError
from edged.recipe import list_recipes, load_recipe, read_recipe

REQUIRED = {
    "det_10g", "det_500m", "scrfd_2.5g_bnkps", "yunet", "w600k_r50", "w600k_mbf", "inswapper_128",
    "gfpgan_1.2", "gfpgan_1.3", "gfpgan_1.4", "codeformer", "restoreformer_plus_plus",
    "gpen_bfr_256", "gpen_bfr_512", "gpen_bfr_1024", "gpen_bfr_2048", "builtin_detector",
    "builtin_recogniser", "builtin_swapper", "builtin_restorer", "xseg_1", "xseg_2", "xseg_3",
    "bisenet_resnet_18", "bisenet_resnet_34",
}  # fmt: skip

GOOD = """\
id = "net"
title = "A net"
kind = "detector"
family = "scrfd"
verified = "no"
file = "net.onnx"
[licence]
name = "MIT"
commercial = true
vendor = "us"
"""


def test_all_shipped_recipes_are_valid():
    """Every recipe that the product promises is there and has no problem."""
    assert set(list_recipes()) >= REQUIRED


def test_a_model_to_download_says_where_from_and_whether_its_hash_is_known():
    """No shipped recipe without a source, a licence with a vendor, and a pin or `unpinned`."""
    for recipe in list_recipes().values():
        assert recipe.builtin != bool(recipe.sources), recipe.id
        assert recipe.licence.vendor
        assert recipe.pinned == (len(recipe.sha256) == 64)
        if recipe.builtin:
            assert recipe.free


def test_a_swapper_names_a_recogniser_that_exists():
    """`takes_embedding_of` is the id of a recogniser."""
    recipes = list_recipes()
    for recipe in recipes.values():
        if recipe.kind in ("swapper", "converter") and recipe.family != "picture_swapper":
            assert recipes[recipe.takes_embedding_of].kind == "recogniser"
        if converter := recipe.contract.source.converter:
            assert recipes[converter].kind == "converter"
            assert recipes[converter].takes_embedding_of == recipe.takes_embedding_of


def test_the_operators_recipe_takes_the_place_of_ours(tmp_path):
    """A later folder overrides, by id, in both ways of asking."""
    own = GOOD.replace('"net"', '"det_10g"').replace("A net", "Ours")
    (tmp_path / "det_10g.toml").write_text(own)
    assert load_recipe("det_10g", [tmp_path]).title == "Ours"
    assert list_recipes([tmp_path])["det_10g"].title == "Ours"


def test_a_mistyped_id_gets_a_near_one():
    """The error names a model that exists."""
    with pytest.raises(ConfigError, match='did you mean "inswapper_128"'):
        load_recipe("inswaper_128")


@pytest.mark.parametrize("model_id", ["../edged", "/etc/passwd", "a/b", ""])
def test_an_id_is_no_path(model_id, tmp_path):
    """An id cannot lead out of the folders."""
    (tmp_path.parent / "edged.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="there is no recipe"):
        load_recipe(model_id, [tmp_path])


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('id = "net"', 'id = "nut"', 'id = "nut": must be the name of the file, "net"'),
        ('"scrfd"', '"arcface"', "is no family of a detector"),
        ('file = "net.onnx"', 'file = "../net.onnx"', "needs a plain file name, no folder"),
        ('file = "net.onnx"', "", "file: is missing"),
        ("commercial = true", 'commercial = "maybe"', 'licence.commercial = "maybe"'),
        ('title = "A net"', 'title = "A net"\nsha256 = "abc"', "needs 64 lower-case hex digits"),
        ('kind = "detector"\nfamily = "scrfd"', 'kind = "swapper"\nfamily = "inswapper"',
         "takes_embedding_of: is missing"),
        ("[licence]", '[[sources]]\nurl = "http://x.org/a"\n[licence]', "an https:// address"),
        ("[licence]", "[batch]\nmin = 3\n[licence]", "needs min <= opt <= max"),
        ("[licence]", "[contract]\nstd = [0, 1, 1]\n[licence]", "must not be zero"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_recipe_is_named(tmp_path, old, new, line):
    """File, path, value and reason."""
    path = tmp_path / "net.toml"
    path.write_text(GOOD)
    assert read_recipe(path).id == "net"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    assert any(line in problem for problem in caught.value.problems)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)


def test_all_problems_of_all_recipes_come_at_once(tmp_path):
    """Two bad files, one error."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text("x = 1")
    with pytest.raises(ConfigError) as caught:
        list_recipes([tmp_path])
    assert {problem.partition(": ")[0] for problem in caught.value.problems} == {
        str(tmp_path / "a.toml"), str(tmp_path / "b.toml"),
    }  # fmt: skip
