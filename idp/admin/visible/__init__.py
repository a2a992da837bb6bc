"""Which app is there for which pupil, why, and what when the year turns?"""
