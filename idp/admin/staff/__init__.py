"""Who of the staff may do what, for whom, and what can they change of their own?"""
