"""Films of pictures: GIF by Pillow, MP4 and WebM by ffmpeg where it is, a folder of frames, or a strip side by side."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from ganforge.errors import RecipeError
from ganforge.io.disk import replaced, whole_folder
from ganforge.io.images import save_png

__all__ = ["FILMS", "check_film", "save_film"]

LONG = 1.0  # seconds that ffmpeg may take for a frame, and a minute more


def save_gif(path: Path, frames: Sequence[Image.Image], fps: float, words: Mapping[str, str]) -> None:
    """A GIF that starts over without end; grey stays exact, colours are dithered to 256 of each frame."""
    comment = "; ".join(f"{key}: {value}" for key, value in words.items())
    with replaced(path) as beside:
        frames[0].save(beside, format="GIF", save_all=True, append_images=frames[1:], loop=0, comment=comment,
                       duration=max(20, round(1000 / fps)), disposal=1)  # fmt: skip


def save_frames(path: Path, frames: Sequence[Image.Image], fps: float, words: Mapping[str, str]) -> None:
    """A new folder of PNGs, numbered from 0.

    Raises:
        RecipeError: if there is one already, which may hold anything.
    """
    if path.exists():
        raise RecipeError(f"{str(path)!r} is there already; name a new folder for the frames, or a file")
    with whole_folder(path) as beside:
        for i, frame in enumerate(frames):
            save_png(beside / f"frame{i:05d}.png", frame, {**words, "frame": str(i)})


def coded(codec: Sequence[str]) -> Callable[[Path, Sequence[Image.Image], float, Mapping[str, str]], None]:
    """A film by ffmpeg."""

    def save(path: Path, frames: Sequence[Image.Image], fps: float, words: Mapping[str, str]) -> None:
        program = ffmpeg(path)
        with tempfile.TemporaryDirectory() as folder, replaced(path) as beside:
            film = Path(folder) / f"film{path.suffix}"
            for i, frame in enumerate(frames):
                frame.convert("RGB").save(Path(folder) / f"{i:05d}.png")
            even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # yuv420p halves the colours
            call = [program, "-loglevel", "error", "-nostdin", "-framerate", f"{fps:g}", "-i", f"{folder}/%05d.png",
                    "-vf", even, *codec, "-pix_fmt", "yuv420p", str(film)]  # fmt: skip
            done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60 + LONG * len(frames))
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
                raise RecipeError(f"ffmpeg can't write {str(path)!r} ({reason}); end it in .gif or .png")
            shutil.copyfile(film, beside)

    return save


def ffmpeg(path: Path) -> str:
    """Where ffmpeg is.

    Raises:
        RecipeError: if it isn't there.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        raise RecipeError(f"{str(path)!r} needs ffmpeg, which isn't installed; install it, or end the name in .gif")
    return found


FILMS: dict[str, Callable[[Path, Sequence[Image.Image], float, Mapping[str, str]], None]] = {
    ".gif": save_gif,
    ".mp4": coded(["-c:v", "libx264", "-crf", "12", "-movflags", "+faststart"]),
    ".webm": coded(["-c:v", "libvpx-vp9", "-crf", "12", "-b:v", "0"]),
    "": save_frames,
}
"""Ending of a name -> how a film is written there: `write(path, frames, frames a second, words about it)`."""


def check_film(path: Path) -> None:
    """See, before frames are made, that a film can be written there.

    Raises:
        RecipeError: for an ending that is no film's, and where ffmpeg is needed and isn't there.
    """
    if path.suffix not in FILMS:
        raise RecipeError(f"{str(path)!r} is no film; end it in .gif, .mp4 or .webm, or name a new folder for frames")
    if path.suffix in (".mp4", ".webm"):
        ffmpeg(path)
    if not path.suffix and path.exists():
        raise RecipeError(f"{str(path)!r} is there already; name a new folder for the frames, or a file")


def save_film(path: Path, frames: Sequence[Image.Image], *, fps: float, words: Mapping[str, str]) -> None:
    """A film of pictures of one size, whole or not at all; what `words` says stands in GIF and PNG.

    Raises:
        RecipeError: as `check_film`.
    """
    check_film(path)
    FILMS[path.suffix](path, frames, fps, words)
