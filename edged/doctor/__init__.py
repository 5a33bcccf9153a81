"""Looks a machine over and says what is wrong with it and how to mend it.

One file a check in :mod:`edged.doctor.checks`; each is a function over a
:class:`edged.doctor.host.Host` (the machine, through one keyhole) and a
:class:`edged.doctor.setup.Setup` (what is configured).  Changes nothing.
"""
