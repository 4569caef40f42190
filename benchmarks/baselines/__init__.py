"""Applications as others write them, to compare with.

They run in an environment of their own: see requirements-bench.txt.
"""
