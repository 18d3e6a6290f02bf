"""The members of the network as every other service sees them, and who may act for whom.

A view of the members service's events, kept in the service's own database. Shared by the services, owned by none.
"""
