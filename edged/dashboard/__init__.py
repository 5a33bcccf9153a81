"""A web page over a fleet: what each device says, who needs help, and the commands to help.

It needs the extra `dashboard`, asks no other server for anything, and keeps what it shows
in memory alone.
"""
