"""Training steps of recurrent networks, side by side: `python -m benchmarks --help`."""
