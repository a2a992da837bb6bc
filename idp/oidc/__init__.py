"""What do we say to apps?"""
