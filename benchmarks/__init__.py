"""Benchmarks by name, one JSON line each; RESULTS.md keeps what they said."""
