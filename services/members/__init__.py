"""Members: accounts and sign-in, applications to join and their vetting, people and organizations.

Owns who belongs to the network and in which role. Announces applications and members; listens to nobody.
"""
