"""Which work is done beside requests, when, and by whom? The table of jobs, its book, its threads, and whose turn it is.

A shaft through several floors: pyproject.toml names its files one by one among the layers.
"""
