"""Adapters: each is the only place that imports its library (Ray, MLflow, FastAPI), and loads it when it is used."""
