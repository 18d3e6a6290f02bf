"""Matching: who needs and who offers. This slice: the participants, a view of the members service's events.

Owns nothing of its own yet but that view. Listens to members; announces nothing.
"""
