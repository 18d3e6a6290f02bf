"""What the members service does, one verb each: load, change, save, emit. A body may run twice (see chassis/tx.py)."""
