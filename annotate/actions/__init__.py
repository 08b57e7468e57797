"""The verbs: every write, one function per thing that happens."""
