"""Leersleutel: an OpenID Connect identity provider for schools that releases attributes by agreement."""
