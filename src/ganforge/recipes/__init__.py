"""Recipes as data: one TOML file each, named network_dataset_size; the first line says what it is."""

__all__: list[str] = []
