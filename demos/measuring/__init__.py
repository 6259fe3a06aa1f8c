"""Modules shared by the demos that measure time: the machine, operation counts, tables and pictures."""
