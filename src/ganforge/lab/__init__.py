"""The lab: games played live in a browser, by the same code that trains.

server       HTTP and the sockets: who may come in, how many, how much they may say
worker       the one thread that plays every visitor's game in turn
messages     what a page may say; frames: what it gets
limits       how large a visitor's game may be
catalogue    the toolkit's choices as the page's controls need them
play         a recipe and its state, played round by round or update by update
pictures     what is drawn of a game; readings: what is charted; stages: an update in slow motion
instruments  one file each: state, knobs -> frames; its page is static/instruments/NAME.js
"""

__all__: list[str] = []
