"""Matching: needs and offers, suggestions of what fits, and matches from the proposal to the confirmed delivery.

Owns those; keeps a view of the members (participants/). Listens to members; announces needs, offers and matches.
"""
