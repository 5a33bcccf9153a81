"""A configuration loads whole, or all that is wrong with it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edged import config
from edged.config import UNDERSTOOD, Config, load, loads, missing_files, rules_models, warnings
from edged.config.effective import as_toml, effective
from edged.config.starter import STARTER, starter
from edged.errors import ConfigError
from edged.recipe import list_recipes

PATH = Path("/etc/booth/edged.toml")

GOOD = """\
[device]
name = "booth-1"
[cameras.door]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["bob"]
[identities.bob]
photos = ["faces/bob.jpg"]
"""

REAL = """
[models]
detectors = ["det_10g", "yunet"]
embedder = "w600k_r50"
swapper = "inswapper_128"
restorer = "gfpgan_1.4"
guard_recogniser = "w600k_mbf"
accept_licence = ["det_10g", "w600k_r50", "w600k_mbf", "inswapper_128"]
"""

LIVE = '[scenes.l]\nmode = "disguise"\nidentities = ["bob"]'
POSTER = '[scenes.l]\nmode = "portrait"\ntemplate = "builtin:poster"\nliveness = "warn"'
PAIR = '[models]\nliveness = ["minifasnet_v2", "minifasnet_v1se"]'
LIDS = '[models]\nlandmarker = "2dfan4"'
ADDON = '["insightface_liveness"]'
TWO_KINDS = '["minifasnet_v2", "insightface_liveness"]'


def problems(text: str) -> list[str]:
    """The lines without the file's name."""
    with pytest.raises(ConfigError) as caught:
        loads(text, PATH)
    assert all(problem.startswith(f"{PATH}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{PATH}: ") for problem in caught.value.problems]


def test_the_smallest_file_gets_all_defaults(monkeypatch):
    """Paths are absolute, ports and the default camera are filled in."""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/edged")
    made = loads(GOOD, PATH)
    assert made.identities["bob"].photos == ("/etc/booth/faces/bob.jpg",)
    assert made.frames.default_camera == "door"
    assert made.models.folder == Path("/var/lib/edged/models")
    assert made.outbox.folder == Path("/var/lib/edged/outbox")
    assert (made.broker.port, made.broker.tls) == (1883, None)
    assert made.isolation.mode == "namespace"


def test_it_is_frozen():
    """Nobody changes a configuration in flight."""
    with pytest.raises(AttributeError):
        loads(GOOD, PATH).device.name = "x"


def test_the_example_of_the_design_errors_all_at_once():
    """Five mistakes in five tables are five lines, none hides another."""
    text = GOOD.replace('hide"\n[scenes', 'hid"\n[scenes').replace('["bob"]', '["bab"]') + (
        '[brokr]\nhost = "x"\n[outbox]\nretention_s = -1\n[guard]\nsizes_px = [640]\n'
    )
    assert problems(text) == [
        'brokr: unknown key (did you mean "broker"?)',
        'cameras.door.scene = "hid": there is no table [scenes.hid] (did you mean "hide"?)',
        'scenes.hide.identities[0] = "bab": there is no table of this name (did you mean "bob"?)',
        "guard.sizes_px = [640]: needs one size of 256 or less for faces that fill the frame",
        "outbox.retention_s = -1.0: must be 0 to 31622400",
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ('[scenes.p]\nmode = "portrait"', "scenes.p.template: is missing"),
        ('[scenes.p]\nmode = "portrait"\ntemplate = "builtin:../x"', 'needs the form "builtin:'),
        ('[scenes.p]\nmode = "portrait"\ntemplate = "x"\nallow_empty = true', "has no meaning"),
        ('[scenes.p]\nmode = "portrait"\ntemplate = "x"\nidentities = ["bob"]', '"disguise" only'),
        ('[scenes.d]\nmode = "disguise"', "a disguise needs at least one identity"),
        ('[scenes.d]\nmode = "disguise"\nidentities = ["bob"]\ntemplate = "x"', '"portrait" only'),
        ('[scenes.d]\nmode = "disguise"\nidentities = ["bob"]\nfill_bgr = [0, 0, 256]',
         "scenes.d.fill_bgr[2] = 256"),
        ('[scenes.d]\nmode = "disguise"\nidentities = ["bob"]\nsurplus_faces = "largest"',
         '"portrait" only'),
        ('[scenes.d]\nmode = "disguise"\nidentities = ["bob"]\nlabel = "KI-veraendert \u00e4"',
         "takes 40 printable ASCII"),
        ('[provenance]\ncert_file = "c.pem"', "provenance.key_file: is missing"),
        ("[identities.x]\nphotos = []", "identities.x.photos: needs at least one picture"),
        ('[scenes."Big One"]\nmode = "disguise"', "bad name: needs 1 to 32 of a-z"),
        ("[guard]\nrotations_deg = [90]", "guard.rotations_deg = [90]: takes 0 and any of"),
        ("[guard]\nsizes_px = [100, 640]", "guard.sizes_px[0] = 100: must be 64 to 4096 and a"),
        ("[guard]\ndet_thresh = 1.0", "guard.det_thresh = 1.0: must be 0.05 to 0.95"),
        ('[models]\nswapper = "det_10g"', 'models.swapper = "det_10g": is a detector'),
        ('[models]\nembedder = "w600k"', 'did you mean "w600k_'),
        ("[models]\ndetectors = []", "needs at least one detector"),
        (f'{LIVE}\nliveness = "require"', 'scenes.l.liveness = "require": needs models.liveness'),
        (f"{LIVE}\nblink = true\n{LIDS}", "scenes.l.blink = true: has no meaning with"),
        (f'{LIVE}\nblink = true\nliveness = "warn"\n[models]\nliveness = ["minifasnet_v2"]',
         "scenes.l.blink = true: needs models.landmarker"),
        (f"{POSTER}\nblink = true\n{PAIR}", "a shot shows no blink"),
        ('[models]\nliveness = ["nsfw_1"]', 'models.liveness[0] = "nsfw_1": is a content; a live'),
        (f"[models]\naccept_licence = {ADDON}\nliveness = {TWO_KINDS}", "models.liveness = "),
        (f"[models]\nliveness = {ADDON}", 'models.liveness[0] = "insightface_liveness": its lic'),
        ('[models]\ncontent = ["nsfw_1", "nsfw_2", "nsfw_3", "nsfw_1"]', "takes three models at"),
        ('[models]\nmirror = "http://x.org"', "needs an https:// or file:// address"),
        ('[models]\naccept_licence = ["det10g"]', 'no such model (did you mean "det_10g"?)'),
        ('[runtime]\nrequire = "cuda"\nprefer = "cpu"', "keep one of the two"),
        ('[runtime]\nrequire = "gpu"', 'must be one of "tensorrt", "tensorrt-rtx", "cuda", "cpu"'),
        ('[broker]\nhost = "mqtt://b:1883"', "needs a name or an address alone"),
        ('[broker]\npassword_file = "p"', "broker.username: is missing"),
        ('[broker]\npassword = "hunter2"', 'password: unknown key (did you mean "password_f'),
        ('[broker.tls]\ncert_file = "c"', "broker.tls.key_file: is missing"),
        ("[broker]\nport = 70000", "needs a port number"),
        ('[publish]\nallow_builtin_to_remote_broker = "yes"', f'must say "{UNDERSTOOD}"'),
        ('[frames]\ndefault_camera = "dor"', 'did you mean "door"'),
        ('[frames]\nendpoint = "tcp://0.0.0.0:5555"', "unprotected"),
        ('[frames]\nendpoint = "tcp://127.0.0.1:5555"', "the engine has no network"),
        ('[frames]\nendpoint = "ipc://x.sock"', "needs an absolute path"),
        ('[frames]\nendpoint = "/run/x.sock"', "needs the form"),
        (f'[frames]\nendpoint = "ipc:///{"x" * 120}"', "107 bytes at most"),
        ('[frames]\nimagezmq_subscribe = [{camera = "x", address = "ipc:///c"}]', "no such camera"),
        ('[frames]\nimagezmq_subscribe = [{camera = "door"}]', "[0].address: is missing"),
        ("[frames.limits]\nmax_pixels = 0", "needs a whole number >= 1"),
    ],
)  # fmt: skip
def test_each_rule_speaks(more, line):
    """One mistake in a good file gives its line and no other."""
    found = problems(f"{GOOD}{more}\n")
    assert [line in problem for problem in found].count(True) == 1, found
    assert len(found) == 1 or "Big One" in more, found


def test_no_value_of_a_secret_looking_key_is_echoed():
    """A password that was written into the file does not reach a log."""
    assert "hunter2" not in "\n".join(problems(f'{GOOD}[broker]\npassword = "hunter2"\n'))


def test_real_models_need_their_licences_accepted_one_by_one():
    """Each unfree model is a line with its vendor; accepted, they load."""
    unaccepted = GOOD + REAL.partition("accept_licence")[0]
    found = problems(unaccepted)
    assert len(found) == 4
    assert all("must be accepted" in problem and "InsightFace" in problem for problem in found)
    made = loads(GOOD + REAL, PATH)
    assert made.models.used == (
        "det_10g", "yunet", "w600k_r50", "inswapper_128", "gfpgan_1.4", "w600k_mbf",
    )  # fmt: skip
    assert warnings(made) == []


def test_one_detector_family_is_not_enough_for_the_guard():
    """Two detectors of one family are refused."""
    text = GOOD + REAL.replace('"yunet"', '"det_500m"')
    assert any("different families" in problem for problem in problems(text))


def test_a_swapper_gets_the_embedder_that_it_was_trained_with():
    """The built-in recogniser does not fit inswapper."""
    text = GOOD + REAL.replace('embedder = "w600k_r50"', 'embedder = "builtin_recogniser"')
    assert any('takes the vector of "w600k_r50"' in problem for problem in problems(text))


def test_tls_is_on_off_the_loopback_without_being_asked():
    """A remote host gets port 8883 and the system's authorities; loopback is plain."""
    remote = loads(f'{GOOD}[broker]\nhost = "broker.example.org"\n', PATH)
    assert remote.uplink.tls is not None
    assert remote.uplink.port == 8883
    assert loads(GOOD, PATH).uplink.tls is None


def test_the_longest_wait_for_a_reconnection_can_be_set():
    """It reaches the uplink, and has a lower bound: a broker that is back is not stormed."""
    assert loads(GOOD, PATH).uplink.reconnect_max_s == 30.0
    more = f"{GOOD}[broker]\nreconnect_max_s = 5.0\n"
    assert loads(more, PATH).uplink.reconnect_max_s == 5.0
    with pytest.raises(ConfigError, match="reconnect_max_s"):
        loads(more.replace("5.0", "0.5"), PATH)


def test_the_builtin_pack_with_a_remote_broker_is_a_warning_until_it_is_understood():
    """Barred by default; in so many words it is allowed, and still said."""
    remote = f'{GOOD}[broker]\nhost = "b.example.org"\n'
    assert "no picture goes to the remote broker" in warnings(loads(remote, PATH))[0]
    allowed = f'{remote}[publish]\nallow_builtin_to_remote_broker = "{UNDERSTOOD}"\n'
    assert "its pictures go to a remote broker" in warnings(loads(allowed, PATH))[0]


def test_a_size_that_no_tensorrt_engine_takes_is_a_warning():
    """Unless the runtime is one that takes any size."""
    large = f"{GOOD}[guard]\nsizes_px = [1920, 256]\n"
    assert any("1280 px at most" in line for line in warnings(loads(large, PATH)))
    cuda = f'{large}[runtime]\nrequire = "cuda"\n'
    assert not any("1280 px" in line for line in warnings(loads(cuda, PATH)))
    assert not any("1280 px" in line for line in warnings(loads(GOOD, PATH)))


def test_files_are_looked_for_by_the_process_that_needs_them(tmp_path):
    """Engine: photos. Uplink: certificates and password. Each its own."""
    path = tmp_path / "edged.toml"
    path.write_text(f'{GOOD}[broker]\nusername = "u"\npassword_file = "secret"\n')
    made = load(path)
    assert [line.partition(" ")[0] for line in missing_files(made, uplink=False)] == [
        "identities.bob.photos[0]"
    ]
    assert [line.partition(" ")[0] for line in missing_files(made, engine=False)] == [
        "broker.password_file"
    ]


def test_what_is_shown_loads_to_the_same_configuration():
    """`show` round-trips through its own TOML."""
    made = loads(GOOD + REAL + '[broker.tls]\nca_file = "ca.pem"\n', PATH)
    assert loads(as_toml(effective(made)), Path("/elsewhere/x.toml")) == made


def test_a_login_in_an_address_is_masked():
    """The mirror's password is not shown."""
    made = loads(f'{GOOD}[models]\nmirror = "https://me:pass@host/x"\n', PATH)
    assert effective(made)["models"]["mirror"] == "https://***@host/x"


def test_the_digest_follows_the_values_and_not_the_text():
    """Comments and order do not matter, values do."""
    same = loads("# comment\n" + GOOD, PATH).digest
    assert same == loads(GOOD, PATH).digest
    assert same != loads(GOOD.replace("booth-1", "booth-2"), PATH).digest


@pytest.mark.parametrize("host", ["VM_7.example.org", "---", "", "kiosk"])
def test_the_starter_is_good_as_it_stands(host):
    """It loads for any host name, with the built-in pack and a loopback broker."""
    made = loads(starter(host), PATH)
    assert made.builtin
    assert made.broker.host == "127.0.0.1"
    assert missing_files(made) == []
    assert set(made.scenes) == {"hide", "poster"}


def test_the_commented_lines_of_the_starter_are_good_too():
    """Whoever uncomments every suggestion gets a valid file."""
    text = STARTER.replace("@NAME@", "booth")
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        key = bare.partition(" = ")[0]
        live = bare != line and (bare.startswith("[") or key.replace("_", "").isalpha())
        lines.append(bare if live and (" = " in bare or bare.startswith("[")) else line)
    made = loads("\n".join(lines), PATH)
    assert made.models.swapper == "inswapper_128"
    assert made.broker.tls is not None
    assert made.runtime.require == "cuda"


def test_an_absent_file_says_how_to_write_one(tmp_path):
    """The remedy is a command."""
    with pytest.raises(ConfigError, match="edged config init"):
        load(tmp_path / "edged.toml")


def test_reading_a_configuration_loads_no_picture_code():
    """The uplink reads it too, and must not pull numpy, OpenCV or a database in."""
    code = (
        "import sys, edged.config, pathlib; edged.config.loads(sys.argv[1], pathlib.Path('x'));"
        "print({'numpy', 'cv2', 'sqlite3', 'onnxruntime', 'onnx', 'zmq'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, GOOD], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# -- whatever the file says -----------------------------------------------------------

_scalars = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(),
    st.sampled_from(["hide", "bob", "det_10g", "ipc:///x", "tcp://h:1", "builtin:x", "disguise"]),
)  # fmt: skip
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = sorted({key for table, key in config.tables.keys(Config)} | set(Config.__struct_fields__))


@st.composite
def _trees(draw):
    """A good tree with some of its values, or others, replaced by anything."""
    tree = config.tables.parse((GOOD + REAL).encode(), PATH)
    for _ in range(draw(st.integers(1, 4))):
        here = tree
        for _ in range(draw(st.integers(0, 2))):
            below = [value for value in here.values() if isinstance(value, dict)]
            if below:
                here = draw(st.sampled_from(below))
        here[draw(st.sampled_from(_KEYS) | st.text(max_size=10))] = draw(_values)
    return tree


@pytest.fixture(scope="module")
def recipes_once():
    """Reads the recipes once, not for every example."""
    ours = list_recipes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            rules_models, "list_recipes", lambda extra: list_recipes(extra) if extra else ours
        )
        yield


@pytest.mark.usefixtures("recipes_once")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_trees())
def test_any_tree_loads_or_is_a_configuration_error(tree):
    """Whatever TOML can say: a configuration, or lines with paths, never another exception."""
    made = outcome(tree)
    if isinstance(made, Config):
        assert len(made.digest) == 64
        warnings(made)
        missing_files(made)
        assert loads(as_toml(effective(made)), PATH).device == made.device
    else:
        assert made
        assert all(line.startswith(f"{PATH}: ") and "\n" not in line for line in made)


def outcome(tree):
    """The configuration, or the lines."""
    try:
        return config._checked(tree, PATH)
    except ConfigError as error:
        return error.problems


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_load_or_are_a_configuration_error(raw):
    """Rubbish is refused as such."""
    with pytest.raises(ConfigError):
        config._checked(config.tables.parse(raw, PATH), PATH)
