"""Benchmarks: our work and others', side by side in one run. `make bench`; the table is docs/BENCHMARKS.md."""
