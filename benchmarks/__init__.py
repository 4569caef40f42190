"""What Backdrop costs, measured beside applications written the usual way: `python -m benchmarks`, or `make bench`."""
