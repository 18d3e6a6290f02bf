"""What the events service does, one verb each. A body may run twice (see chassis/tx.py)."""
