"""What do we know about a pupil, and who may see it?"""
