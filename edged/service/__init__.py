"""Puts edged into the system: units, user, folders, and takes all of it away again.

plan.py      what is to be written, run and removed, as values
carry.py     does it, or says what it would do
lock.py      the part of requirements.lock that an image needs
"""
