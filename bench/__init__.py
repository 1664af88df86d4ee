"""An AutoML benchmarking harness for tabular data."""
