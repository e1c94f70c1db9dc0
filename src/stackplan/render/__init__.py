"""Plan -> {path: text}: one module per target; writes nothing."""
