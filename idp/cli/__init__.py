"""The idp command."""


def main() -> None: ...
