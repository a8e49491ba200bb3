"""Draws docs/figures/latent-*: the pictures of docs/latent.md, by the commands that stand there.

    python scripts/latent_figures.py runs/digits runs/cgan      # of dcgan_mnist_28 and cgan_mnist_28

Two minutes on two cores.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SUM = "class:7 - class:1 + class:9"


def main(run: str, conditional: str) -> None:
    """Carry the commands out."""
    with TemporaryDirectory() as folder:
        found, told = f"{folder}/found.safetensors", f"{folder}/told.safetensors"
        for words in (
            ["walk", run, "--seeds", "1,7,23", "--loop", "--frames", "30", "--out", f"{FIGURES}/latent-walk.gif"],
            ["walk", run, "--seeds", "1,7,23,5", "--grid", "--out", f"{FIGURES}/latent-field.png"],
            ["mix", run, SUM, "--out", f"{FIGURES}/latent-mix.png"],
            ["directions", run, "--by", "none", "--attribute", "stroke_width", "--out", found],
            ["edit", run, "--direction", f"{found}:stroke_width", "--steps=-4,-2,0,2,4",
             "--out", f"{FIGURES}/latent-edit.png"],
            ["directions", conditional, "--by", "first_map", "--count", "1", "--out", told],
            ["edit", conditional, "--direction", f"{told}:first_map 0", "--seeds", "0-9", "--labels", "0-9",
             "--out", f"{FIGURES}/latent-slant.png"],
            ["invert", run, "test:0-15", "--out", f"{folder}/invert.png"],
        ):  # fmt: skip
            subprocess.run([sys.executable, "-c", "from ganforge.cli import main; main()", *words], check=True)
        (FIGURES / "latent-invert.png").write_bytes(Path(folder, "invert.png").read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
