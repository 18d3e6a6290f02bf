"""gRPC to another service: for a page or a rebuild, never to serve a write."""

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


def channel(address: str, *, retries: bool = True) -> grpc.aio.Channel:
    """A channel to `host:port`; several addresses behind one name are used in turn. `retries`: for reads only."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.service_config", json.dumps(_RETRY if retries else {})),
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ],
    )


def service_metadata(secret: str) -> tuple[tuple[str, str], ...]:
    """What an internal method asks for."""
    return ((SECRET_HEADER, secret),)
