"""The precision plan's file: what is written is read, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import ConfigError, EngineError
from edged.runtime.precision import plan as plans
from edged.runtime.precision.plan import Figures, PrecisionPlan, Rescale

SHA = "ab" * 32
PLAN = PrecisionPlan(
    recipe="gfpgan_1.4",
    model_sha256=SHA,
    structure_digest="cd" * 32,
    fp32_nodes=("/conv/Add_1", 'odd "name"\t#'),
    rescale=(
        Rescale(kind="style", node="style_convs.3"),
        Rescale(kind="power", node="down.8.conv1", exponent=13),
    ),
    figures=Figures(
        fp16_macs_share=0.97,
        plain_finite=False,
        psnr_db=51.2,
        cosine=0.9999,
        measured_on="8 generated crops",
        date="2026-11-25",
        versions={"onnxruntime": "1.32.0"},
    ),
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives the file, names with quotes and tabs included."""
    path = tmp_path / "deep" / "gfpgan_1.4.toml"
    plans.write_plan(PLAN, path)
    assert plans.read_plan(path, "gfpgan_1.4") == PLAN
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=4))
def test_any_node_name_can_be_written(names: list[str]) -> None:
    """Exporters put slashes, brackets and control characters into names."""
    plan = msgspec.structs.replace(PLAN, fp32_nodes=tuple(names))
    tree = plans.tables.parse(plans.as_toml(plan).encode(), Path("x.toml"))
    assert tree["fp32_nodes"] == names


def test_every_problem_of_a_plan_is_named_at_once(tmp_path: Path) -> None:
    """A wrong hash, an unknown key, a wrong kind: one line each, with the cure."""
    path = tmp_path / "x.toml"
    text = plans.as_toml(PLAN).replace(SHA, "abc").replace('"style"', '"stile"')
    path.write_text(text.replace("fp32_nodes =", "fp32_node ="))
    with pytest.raises(ConfigError) as caught:
        plans.read_plan(path)
    said = str(caught.value)
    assert 'did you mean "fp32_nodes"' in said
    assert 'did you mean "style"' in said
    assert "64 lower-case hex digits" in said
    assert said.count("edged calibrate precision") == len(caught.value.problems) == 3


def test_a_power_without_exponent_is_refused(tmp_path: Path) -> None:
    """It would do nothing, so something was meant that is not there."""
    path = tmp_path / "x.toml"
    path.write_text(plans.as_toml(PLAN).replace("exponent = 13\n", ""))
    with pytest.raises(ConfigError, match=r"rescale\[1\]\.exponent"):
        plans.read_plan(path)


def test_a_plan_of_another_recipe_is_refused(tmp_path: Path) -> None:
    """A file under a wrong name would keep the wrong nodes in FP32."""
    path = tmp_path / "codeformer.toml"
    plans.write_plan(PLAN, path)
    with pytest.raises(ConfigError, match='must be "codeformer"'):
        plans.read_plan(path, "codeformer")


def test_a_plan_is_refused_for_another_model_or_graph() -> None:
    """Ranges of one set of weights say nothing of another's."""
    PLAN.require(model_sha256=SHA, structure_digest="cd" * 32)
    with pytest.raises(EngineError, match=r"another model file.*edged calibrate precision"):
        PLAN.require(model_sha256="ef" * 32)
    with pytest.raises(EngineError, match="another graph"):
        PLAN.require(structure_digest="ef" * 32)


def test_the_digest_is_of_what_shapes_the_engine() -> None:
    """Figures measured again change no engine; a node kept in FP32 does."""
    assert msgspec.structs.replace(PLAN, figures=None).digest == PLAN.digest
    assert msgspec.structs.replace(PLAN, fp32_nodes=()).digest != PLAN.digest


def test_the_site_wins_over_the_shipped_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's plan wins over the site's, and the site's over ours."""
    shipped, site, operator = (tmp_path / name for name in ("shipped", "site", "operator"))
    monkeypatch.setattr(plans, "data_folder", lambda _: shipped)
    monkeypatch.setattr(plans, "OPERATOR", operator)
    assert plans.load_plan("gfpgan_1.4", site) is None
    for folder in (shipped, site, operator):
        path = folder / "precision" / "gfpgan_1.4.toml"
        plans.write_plan(PLAN, path)
        assert plans.find_plan_file("gfpgan_1.4", site) == path
    assert plans.load_plan("gfpgan_1.4", site) == PLAN
