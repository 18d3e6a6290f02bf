"""Events: convenings of all kinds, registrations with a waiting list, and calendars.

Owns those; keeps a view of the members (participants/). Listens to members; announces convenings and registrations.
"""
