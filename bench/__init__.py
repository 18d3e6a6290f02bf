"""Benchmarks: ours and its peers measured in one run, on servers and data of the run's own."""
