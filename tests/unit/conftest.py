"""Unit tests start no server and read no clock: a slow machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("wasl", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wasl")
