"""Networks, one file a paper, generator beside discriminator; a file is found by its name.

Each file has `Generator(*, shape, ...)` with `forward(z, y=None, noise=None) -> images in [-1, 1]` (or points, in their
own units) and `z_dim`, `Discriminator(*, shape, ...)` with `forward(x, y=None) -> logits` and `full(x, y=None) ->
Output`, or one of the two, made for one `shape` (C, H, W) or (D,), and `TINY`, the arguments that make them cheap to
test. No network knows its loss.
"""

__all__: list[str] = []
