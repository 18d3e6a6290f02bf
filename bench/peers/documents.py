"""What the HTTP peers share: documents as our service stores them, and the JSON that our gateway answers for them."""

import datetime
import time
import uuid
from typing import Any

CLIENT: dict[str, Any] = {"w": "majority", "journal": True, "readConcernLevel": "majority", "tz_aware": True}


def organization(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "organizationId": document["_id"],
        "profile": _profile(document["profile"]),
        "joinTime": _time(document["join_time"]),
        "updateTime": _time(document["update_time"]),
        "etag": str(document["version"]),
    }


def new_application(body: dict[str, Any]) -> dict[str, Any]:
    """A draft of an organization, from the JSON that a client sends."""
    given = body["organization"]
    return {
        "_id": str(uuid.uuid4()),
        "account_id": "somebody",
        "state": "DRAFT",
        "create_time": datetime.datetime.now(datetime.UTC),
        "person": None,
        "organization": {
            "display_name": given["displayName"],
            "type_code": given["typeCode"],
            "place_code": given["placeCode"],
            "homepage_uri": given["homepageUri"],
        },
        "statement": body["statement"],
        "reject_reason": None,
        "member_id": "",
        "submit_time": None,
        "decide_time": None,
        "version": 1,
        "at": time.time_ns() // 1000,
    }


def application(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "applicationId": document["_id"],
        "accountId": document["account_id"],
        "organization": _profile(document["organization"]),
        "statement": document["statement"],
        "state": document["state"],
        "createTime": _time(document["create_time"]),
        "etag": str(document["version"]),
    }


def _profile(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        "displayName": stored["display_name"],
        "typeCode": stored["type_code"],
        "placeCode": stored["place_code"],
        "homepageUri": stored["homepage_uri"],
    }


def _time(value: datetime.datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
