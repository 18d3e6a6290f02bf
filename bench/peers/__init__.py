"""The peers: each small, honest, in its best set-up, doing the same work on the same documents."""
