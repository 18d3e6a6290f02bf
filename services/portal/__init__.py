"""The portal: the network's pages, in Arabic and English, for people.

It keeps no data and no rules: what it shows it reads from the services over gRPC, what it documents from gen/.
"""
