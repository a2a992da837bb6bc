"""How do pupils get accounts and secrets, many at once, and anew when the year turns?"""
