"""The engine: what is recorded, and the walk back through it."""
