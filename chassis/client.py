"""gRPC to another service: for reads that a page or a rebuild needs, never to serve a write."""

import json

import grpc

from chassis.call import SECRET_HEADER

# Every idempotent read is tried again; the gateway's rule, for callers inside.
_RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port`; several addresses behind one name are used in turn. For reads only: it retries."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.service_config", json.dumps(_RETRY)),
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ],
    )


def service_metadata(secret: str) -> tuple[tuple[str, str], ...]:
    """What an internal method asks for."""
    return ((SECRET_HEADER, secret),)
