def measure(countries, asked):
    pass
