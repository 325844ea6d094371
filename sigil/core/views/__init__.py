"""Views: what can be read off a server's value, for people.

Theory: a server is one value, so whatever somebody wants to see of it is a function of that value:
the same for a live server, a recorded one, and one of an hour ago.

Rules: nothing in here changes anything, and nothing in the rest of the core imports it. `figures`
has the broadcast in numbers, `show` draws them as text and as pictures, and `footprint` bounds the
memory of a server from its limits alone. None of them knows where its result is shown.
"""
