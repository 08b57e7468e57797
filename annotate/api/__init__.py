"""The same verbs for programs: door, shape, one action, answer."""
