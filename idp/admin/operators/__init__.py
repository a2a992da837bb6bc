"""What does an operator look at, of the whole installation and of every school?"""
