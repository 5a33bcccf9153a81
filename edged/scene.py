"""What a camera's frames are turned into: scenes and the settings that travel with them.

These frozen structs are both a part of the configuration file and the values that
the pipeline takes, so that there is one definition of each.  Knows no files.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["disguise", "portrait"]
Surplus = Literal["refuse", "largest"]
Select = Literal["all", "largest", "centre", "matched"]
OnStranger = Literal["next", "fill"]
Part = Literal[
    "skin", "brows", "eyes", "glasses", "ears", "nose", "mouth", "lips", "neck", "hair", "hat"
]  # fmt: skip


class MaskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a face is changed, the table `[scenes.NAME.mask]`.

    Whatever is kept of a visitor's face counts for the guard as an unchanged part of it: a
    face of which too much is kept is filled.

    Attributes:
        shape: outline of what is pasted: "auto" (the swapper's own), "oval" or "box".
        occlusion: keep what is before the face, such as a hand, spectacles or a
            microphone; needs models.occluder.
        regions: parts of the face that are changed, of "skin", "brows", "eyes", "glasses",
            "ears", "nose", "mouth" (inside the lips), "lips", "neck", "hair" and "hat"; needs
            models.parser; none means all.
        keep_mouth: keep the visitor's own mouth, so that it is seen to speak (disguise);
            by models.parser where that is set, else by models.landmarker, else by the
            detector's five landmarks.
    """

    shape: Literal["auto", "oval", "box"] = "auto"
    occlusion: bool = False
    regions: tuple[Part, ...] = ()
    keep_mouth: bool = False

    @property
    def looks(self) -> bool:
        """Whether masks differ from face to face."""
        return self.occlusion or self.keep_mouth or bool(self.regions)


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scene, the table `[scenes.NAME]`.

    Attributes:
        mode: "disguise" (every face becomes a character) or "portrait" (the visitors
            become the people of a template picture).
        identities: names of identities; each face gets the next one that nobody has
            (disguise).
        select: which faces become characters: "all", the "largest", the one nearest to
            the "centre", or "matched": those of people whom an identity's `worn_by`
            names.  The others are filled.
        on_stranger: what becomes of a selected face that matches no `worn_by`: "next"
            (the next free identity) or "fill".
        share_identities: give one identity to several people where there are too few;
            else those who are too many are filled.
        min_similarity: cosine from which two faces are one person's; 0 means the guard's
            measured bound.
        remember_s: how long a stream remembers who left, and keeps the identity for them.
        smoothing: steady the swap on the faces of a stream.
        template: path of the template picture, or "builtin:NAME" (portrait).
        slots: how many people the template takes at most; 0 means all that it has.
        surplus_faces: what becomes of a shot that shows more usable faces than it brings
            plain consent references: "refuse" it, or use the "largest" (portrait).
        liveness: what becomes of a face that looks like a print or a screen: "off" (nobody
            looks), "warn" (the result says so) or "require" (it is filled, and a portrait
            is refused); needs models.liveness.
        blink: in a stream, such a face must also have been seen to blink; needs
            models.landmarker.
        min_face_px: smaller faces are filled (disguise) or not used (portrait).
        max_face_px: larger ones likewise; 0 means no bound.  Both are of the shorter side
            of a face's box.
        det_thresh: score from which a face is swapped or used; one that the guard finds
            below it is filled or left out.  0 means `guard.det_thresh`, and nothing below
            that is taken.
        mask: what of a face is changed, table `[scenes.NAME.mask]`.
        colour: how a swapped face takes the colours of its place: "none", "lab" (mean and
            spread of its LAB channels) or "histogram" (of each of BGR).
        pixel_boost_px: side of the crops that faces are swapped at, a multiple k of the
            swapper's own, up to 1024: sharper, for k * k times the work; 0 means its own.
        restore: run the restorer on swapped faces.
        restore_strength: blend of the restorer's output, 0..1.
        restore_min_face_px: smaller faces are not restored: their swap is not enlarged
            when it is pasted, so that there is nothing to add.
        restore_every_n: a face in a stream is restored every so many frames; between them
            the detail that was added to it is carried on, as far as it still fits.
        max_identity_drift: how far restoring may move a face away from who it was made to
            be, 1 - cosine by the guard's recogniser; beyond it less is restored.  0 does
            not measure it.
        allow_empty: let a frame without any face leave.
        fill_bgr: colour of a filled face.
        label: words drawn in a corner of every outgoing picture, such as "AI-edited"; ASCII,
            40 characters at most; empty means none.
        jpeg_quality: of the outgoing picture, 50..100.
        publish_every_s: let one stream frame in so many seconds through to the
            outbox; 0 means never.
    """

    mode: Mode
    identities: tuple[str, ...] = ()
    select: Select = "all"
    on_stranger: OnStranger = "next"
    share_identities: bool = False
    min_similarity: float = 0.0
    remember_s: float = 30.0
    smoothing: bool = True
    template: str = ""
    slots: int = 0
    surplus_faces: Surplus = "refuse"
    liveness: Literal["off", "warn", "require"] = "off"
    blink: bool = False
    min_face_px: int = 24
    max_face_px: int = 0
    det_thresh: float = 0.0
    mask: MaskSettings = MaskSettings()
    colour: Literal["none", "lab", "histogram"] = "none"
    pixel_boost_px: int = 0
    restore: bool = True
    restore_strength: float = 0.8
    restore_min_face_px: int = 80
    restore_every_n: int = 1
    max_identity_drift: float = 0.3
    allow_empty: bool = False
    fill_bgr: tuple[int, int, int] = (96, 96, 96)
    label: str = ""
    jpeg_quality: int = 90
    publish_every_s: float = 0.0


class GuardSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How hard the guard looks, the table `[guard]`.

    Attributes:
        sizes_px: long side of the picture at which detectors search a shot.
        stream_sizes_px: the same for stream frames between full looks.
        rotations_deg: turns in which a shot is searched.
        full_look_every_n: a stream frame gets all families and sizes every so many
            frames, and whenever the faces change.
        hold_ms: how long a lost track stays filled.
        det_thresh: score from which a detection counts.
        fill_doubtful: fill what one family took for a face and no close look confirmed,
            by either family and from four sides; false leaves it as it is.
    """

    sizes_px: tuple[int, ...] = (640, 256, 128)
    stream_sizes_px: tuple[int, ...] = (640,)
    rotations_deg: tuple[int, ...] = (0, 90, 180, 270)
    full_look_every_n: int = 8
    hold_ms: int = 700
    det_thresh: float = 0.5
    fill_doubtful: bool = True
