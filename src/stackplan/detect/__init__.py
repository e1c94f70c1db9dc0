"""This machine, or a recording of one, as a `Host`."""
