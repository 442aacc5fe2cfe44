"""The model registry: real MLflow, and an in-memory one for virtual time."""
