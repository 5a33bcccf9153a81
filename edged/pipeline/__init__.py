"""What becomes of a frame, from raw pixels to the guard's ruling.

pipeline.py    one frame, and the disguise: read it first
portrait.py    visitors in a template picture
who.py         who is in front of a camera: lookout, tracks, roles
lookout.py     how hard a frame is looked at
roles.py       who plays whom
vetting.py     content, liveness and blinks
masks.py       what of a face may be changed
restore.py     restored detail, within a bound on identity
studio.py      what all of these work with
parts.py       values and the stopwatch
"""
