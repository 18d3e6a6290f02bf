"""Resources: the knowledge bank. Records and their versions, curation, search, files; serves the vocabularies.

Owns what the network publishes. Announces records; listens to members, for whom somebody acts.
"""
