"""What a recipe holds: the structs of `engines/*.toml`.  Knows no files."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Kind = Literal[
    "detector", "recogniser", "swapper", "converter", "restorer", "landmarker", "occluder",
    "parser", "liveness", "content",
]  # fmt: skip
Family = Literal[
    "scrfd", "yunet", "haar", "arcface", "inswapper", "vector_swapper", "picture_swapper",
    "converter", "restorer", "landmarks_106", "landmarks_68", "landmarks_fan", "xseg", "bisenet",
    "minifasnet", "liveness_aligned", "nsfw_boxes", "nsfw_pair", "nsfw_grades",
]  # fmt: skip
Template = Literal["", "arcface_112", "arcface_112_v1", "arcface_128", "ffhq_512", "mtcnn_512"]

ModelId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[a-z0-9][a-z0-9_.+-]{0,63}\Z",
        description="1 to 64 of a-z, 0-9, '_', '.', '+', '-'",
    ),
]
Sha256 = Annotated[
    str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z", description="64 lower-case hex digits")
]
Pin = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A([0-9a-f]{64}|unpinned)\Z",
        description='64 lower-case hex digits, or "unpinned"',
    ),
]
FileName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A([A-Za-z0-9][A-Za-z0-9_.+-]{0,99})?\Z",
        description="a plain file name, no folder",
    ),
]
Triple = tuple[float, float, float]

UNPINNED = "unpinned"
"""`sha256` of a model whose hash no source gives."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that a model file can be had from, an entry `[[sources]]`.

    Attributes:
        url: https address of the file, or of a ZIP archive that holds it.
        member: base name of the file inside the archive; empty for a plain file.
        archive_sha256: of the whole archive, or "unpinned".
    """

    url: Annotated[str, msgspec.Meta(pattern=r"\Ahttps://\S+\Z", description="an https:// address")]
    member: FileName = ""
    archive_sha256: Pin = "unpinned"


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Under which terms the weights may be used, the table `[licence]`.

    Attributes:
        name: short name of the licence.
        commercial: true, false, or "ask" where the vendor must be asked.
        vendor: who gives it.
        contact: where to ask for other terms.
        note: one sentence more.
    """

    name: str
    commercial: bool | Literal["ask"]
    vendor: str
    contact: str = ""
    note: str = ""


class SourceContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a swapper knows a person by, the table `[contract.source]`.

    A vector swapper takes a recogniser's vector as it is, through a converter, or brought to
    length 1; an inswapper's goes through the map in its file; a picture swapper takes a crop.

    Attributes:
        converter: id of the model that the recogniser's vector, as the network gives it,
            goes through first; empty: none.
        unit: whether the vector has length 1 in the end.
        size_px: side of the source picture.
        template: five points that it is aligned to.
        mean, std: input = (pixel 0..255 - mean) / std.
    """

    converter: str = ""
    unit: bool = True
    size_px: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    template: Template = ""
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (255.0, 255.0, 255.0)


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the tensors mean, the table `[contract]`.

    Attributes:
        size_px: side of the square input; 0 where the graph leaves it open.
        template: five points that a face crop is aligned to; empty for a whole picture.
        channels: order of the input's channels.
        mean, std: input = (pixel 0..255 - mean) / std, in the order of its channels.
        out_mean, out_std: pixel 0..255 = output * out_std + out_mean, then clipped;
            likewise.
        strides: of a detector's outputs.
        anchors: of a detector, for each cell.
        own_mask: whether a swapper's file tells by which mask its picture was blended with
            its target; what that leaves out is not pasted.
        source: of a swapper, see there.
        crop_scale: side of the crop in units of the face's box, for networks that see a
            piece of the picture round a face.
    """

    size_px: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    template: Template = ""
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    out_mean: Triple = (0.0, 0.0, 0.0)
    out_std: Triple = (1.0, 1.0, 1.0)
    strides: tuple[Annotated[int, msgspec.Meta(ge=1, le=256)], ...] = ()
    anchors: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    own_mask: bool = False
    source: SourceContract = SourceContract()
    crop_scale: Annotated[float, msgspec.Meta(ge=0.0, le=16.0)] = 0.0


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Faces (or pictures) in one run, the table `[batch]`: at least, usually, at most.

    More than one also for files that are fixed at one, where their graphs can be opened
    (see :mod:`edged.runtime.graph.batch`); a graph that cannot is run face by face.
    """

    min: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    opt: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far a reduced precision may stray from FP32, the table `[precision]`.

    The bounds hold for every face alone, for the search of a plan and for the acceptance
    of a built engine; which of them applies is told by the output's kind.

    Attributes:
        half: "plan" (FP16 but for the nodes that a measured plan keeps in FP32) or "no".
        psnr_db_min: of pictures, peak 255; 45 dB is an error of 1.4 grey levels (rms).
        cosine_min: between the vectors of a recogniser.
        score_error_max: of a detector's scores, 0 to 1.
        box_error_px_max: of any edge or landmark of a detector, in pixels of its canvas.
        note: why.
    """

    half: Literal["plan", "no"] = "no"
    psnr_db_min: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)] = 45.0
    cosine_min: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.9995
    score_error_max: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.02
    box_error_px_max: Annotated[float, msgspec.Meta(gt=0.0, le=64.0)] = 1.0
    note: str = ""


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the network is fed on a GPU, the table `[graph]`.

    Attributes:
        resident: it takes its crops or picture in device memory and leaves its output
            there; false feeds it from host memory, the frame staying on the device.
    """

    resident: bool = True


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model, the file `engines/<id>.toml`.

    Attributes:
        id: name in the configuration; the file is called so.
        title: one line for lists.
        kind: what it is used for.
        family: which contract its tensors follow.
        file: name of the model file in the model folder; empty for OpenCV's cascades.
        size_bytes: of the file; 0 where no source gives it.
        sha256: of the file, or "unpinned".
        known_sha256: hashes that others publish for their copy of this network, each
            with who does; such a file is taken, too.
        sources: where to download it, tried in this order; none for the built-in pack.
        licence: terms of the weights.
        verified: "real" (these weights were run against a reference), "stand-in" (a
            tiny network with this contract was) or "no".
        builtin: generated by edged itself, not downloaded.
        contract, batch, precision, graph: see there.
        takes_embedding_of: id of the recogniser whose vector a swapper or converter takes.
        embedding_dim: length of a recogniser's vector, or of what a converter makes of it.
    """

    id: ModelId
    title: str
    kind: Kind
    family: Family
    licence: Licence
    verified: Literal["real", "stand-in", "no"]
    file: FileName = ""
    size_bytes: Annotated[int, msgspec.Meta(ge=0, le=16 * 1024**3)] = 0
    sha256: Pin = "unpinned"
    known_sha256: dict[Sha256, str] = {}
    sources: tuple[Source, ...] = ()
    builtin: bool = False
    contract: Contract = Contract()
    batch: Batch = Batch()
    precision: Precision = Precision()
    graph: Placement = Placement()
    takes_embedding_of: str = ""
    embedding_dim: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0

    @property
    def pinned(self) -> bool:
        """Whether the hash of the file is known."""
        return self.sha256 != UNPINNED

    @property
    def free(self) -> bool:
        """Whether it may be used without an entry in `accept_licence`."""
        return self.licence.commercial is True
