"""The live page: what happens on the topics, for people.

    topics ▸ feed (decode) ▸ Board (fold) ▸ BoardView (JSON) ▸ server-sent events ▸ page.js

The board is pure and bounded: it keeps what one screen shows, and a minute of figures.
"""
