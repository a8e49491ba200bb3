"""The phenomena of GANs, each reproduced by one command: a file a phenomenon, and `frame`, which performs them.

A file is found by its name (`one_gaussian.py` is `ganforge experiment one-gaussian`) and has

- a docstring whose first line is the title,
- `LOOK`: paragraphs that say what to look at and what to try,
- `trial(*, seed, ...)`: one performance; its annotated parameters are the experiment's keys; returns figures: numbers,
  and lists or dicts of them for the plots,
- `checks(figures)`: sentence -> whether it holds; the phenomenon shows in a trial if all hold,
- `CLAIM`: what was shown, in one sentence with the figures' names in braces,
- `plots(trials)`: name -> matplotlib figure,
- `QUICK` and `FULL`: keys that `--quick` and `--full` set,
- `SABOTAGE`: name -> keys that take the cause away; the verdict must flip then.
"""

__all__: list[str] = []
