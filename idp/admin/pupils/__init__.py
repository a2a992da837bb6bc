"""Which pupils does a school see, and how does somebody at school help one?"""
