"""What needs a network and features: directions to edit along, measures of what they change, and inversion."""

__all__: list[str] = []
