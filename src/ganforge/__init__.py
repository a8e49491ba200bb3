"""ganforge: train, judge and understand generative adversarial networks.

>>> import ganforge
>>> sampler = ganforge.load("runs/demo")             # doctest: +SKIP
>>> images = sampler.sample(seeds=range(16))         # doctest: +SKIP
"""

__version__ = "0.1.0"
