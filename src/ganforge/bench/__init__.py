"""What `ganforge bench` runs: figures that papers publish, under their protocol, for every remedy of the toolkit."""

__all__: list[str] = []
