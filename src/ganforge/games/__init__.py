"""Games: who plays, what each player loses. One file a kind of game.

A game is handed its players as modules and a batch, and gives the named loss terms of the player whose turn it is, one
number per sample. It knows no architecture, no optimiser, no device and no process.
"""

from ganforge.games.move import Game, Moment, Move
from ganforge.games.noise import FAKES, NoiseGame

__all__ = ["FAKES", "GAMES", "Game", "Moment", "Move", "NoiseGame"]

GAMES = {"noise": NoiseGame}
