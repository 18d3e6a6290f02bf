"""What the resources service does, by noun; one verb each: load, change, save, emit. A body may run twice."""
