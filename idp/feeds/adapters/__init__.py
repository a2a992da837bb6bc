"""From the exports of real administrative packages to our own rows, one module each."""
