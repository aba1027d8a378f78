"""How fast radzoo is, against the plain way to do the same, in one run on this machine."""
