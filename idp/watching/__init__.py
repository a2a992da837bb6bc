"""How does whoever watches over an installation see how it fares? Health, diagnosis, numbers and traces.

A shaft through several floors: pyproject.toml names its files one by one among the layers.
"""
