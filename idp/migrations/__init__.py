"""How does the database become what models.py says?"""
