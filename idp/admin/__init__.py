"""What do schools and operators manage?"""
