"""What arrives about schools, pupils and classes?"""
