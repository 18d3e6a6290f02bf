"""OpenAPI 3.1 for the gateway: every RPC that has a google.api.http rule."""

import re
from typing import Any

from contract import FIELD, Contract, Json, Method, Schemas, Use

ACCESS = ("LEVEL_UNSPECIFIED", "PUBLIC", "AUTHENTICATED", "ROLE", "INTERNAL")
WHO = {"PUBLIC": "anybody", "AUTHENTICATED": "anybody who is signed in", "ROLE": "who has the role {roles}"}

# What can be answered instead of 200, and when it is documented for a method: see `_statuses`.
PROBLEMS = {
    400: "The request is not valid, or it does not fit the present state: the details name each field, or the reason.",
    401: "There is no access token where one is needed, or the one sent is not valid or has run out.",
    403: "The caller is known, but not allowed to do this.",
    404: "There is no such thing, or the caller may not know of it.",
    409: "It exists already, or it has changed in the meantime: read it again.",
    413: "The body is larger than allowed.",
    429: "Too many requests; try again after `Retry-After` seconds.",
    431: "The headers are larger than allowed.",
    500: "A fault of the network's own; it has been recorded under the request's id.",
    503: "The service is not available at the moment; try again shortly.",
    504: "No answer in time; with the same `requestId` a write can be repeated safely.",
}

_REQUEST_ID = {
    "schema": {"type": "string"},
    "description": "The id under which everything that this request caused is recorded.",
}
_DETAILS: dict[str, Json] = {
    "ErrorInfo": {
        "description": "The reason for programs: it stays the same, unlike the sentences.",
        "properties": {
            "reason": {
                "type": "string",
                "pattern": "^[A-Z][A-Z0-9_]*$",
                "description": "Such as APPLICATION_NOT_FOUND.",
            },
            "domain": {"type": "string", "description": "Who gives the reason: the network's services or its gateway."},
            "metadata": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "The values of the sentence.",
            },
        },
        "required": ["reason", "domain"],
    },
    "BadRequest": {
        "description": "What is wrong, field by field.",
        "properties": {
            "fieldViolations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string", "description": "Path of the field in the request."},
                        "description": {"type": "string", "description": "What is wrong, in the caller's language."},
                        "reason": {"type": "string", "description": "The same, for programs."},
                    },
                },
            }
        },
    },
    "LocalizedMessage": {
        "description": "The sentence to show, in the language of `Accept-Language`.",
        "properties": {"locale": {"type": "string", "description": "`ar` or `en`."}, "message": {"type": "string"}},
    },
    "RequestInfo": {
        "description": "Quote it when you report a fault.",
        "properties": {"requestId": {"type": "string", "description": "As in the header `x-request-id`."}},
    },
}


def document(contract: Contract) -> Json:
    """The whole document. Raises ValueError for a binding that OpenAPI cannot say."""
    schemas = Schemas(contract)
    paths: dict[str, Json] = {}
    tags: dict[str, str] = {}
    for method in contract.methods():
        if method.http is None:
            continue
        verb, template = _binding(method)
        tags[_tag(method)] = contract.comments.get(method.service, "")
        path = template
        for variable in _variables(template):
            path = path.replace(f"{{{variable}}}", f"{{{_field(contract, method, variable)[1].json_name}}}")
        paths.setdefault(path, {})[verb] = _operation(schemas, method, verb, template)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wasl",
            "version": "v1",
            "summary": "The open platform behind an education network.",
            "description": "Everything that the network's pages can do, other programs can do too, by the same rules. "
            "Errors are google.rpc.Status with details for programs and a sentence for people, in Arabic or English. "
            "Within v1 only additions are made: pass over fields that you do not know.",
            "license": {"name": "GNU Affero General Public License 3.0 or later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": "/", "description": "The gateway that this document comes from."}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `accessToken` of a session.",
                }
            },
            "parameters": {
                "Language": {
                    "name": "Accept-Language",
                    "in": "header",
                    "description": "For sentences that people read: Arabic or English, whichever weighs more "
                    "(RFC 9110), and the first of equals; English when neither is named.",
                    "schema": {"type": "string"},
                },
                "RequestId": {
                    "name": "x-request-id",
                    "in": "header",
                    "description": "Your own id for this request, up to 64 of `0-9A-Za-z_-`; others are replaced.",
                    "schema": {"type": "string"},
                },
            },
            "headers": {
                "RequestId": _REQUEST_ID,
                "RetryAfter": {"schema": {"type": "string"}, "description": "Seconds to wait."},
            },
            "responses": {str(status): _problem(status, text) for status, text in PROBLEMS.items()},
            "schemas": {**dict(sorted(schemas.components.items())), **_status()},
        },
    }


def _binding(method: Method) -> tuple[str, str]:
    """Verb and path template of a method's REST route."""
    rule = method.http
    verb: str = rule.WhichOneof("pattern")
    if verb == "custom" or rule.additional_bindings or rule.response_body or "=" in getattr(rule, verb):
        raise ValueError(f"{method.service}.{method.name}: openapi.py cannot say this binding")
    return verb, getattr(rule, verb)


def _operation(schemas: Schemas, method: Method, verb: str, template: str) -> Json:
    contract, rule = schemas.contract, method.http
    bound = _variables(template)
    parameters: list[Json] = []
    for path in bound:
        owner, field = _field(contract, method, path)
        schema = schemas.field(owner, field, Use.INPUT)
        schema.pop("readOnly", None)
        parameters.append(
            {
                "name": field.json_name,
                "in": "path",
                "required": True,
                "description": schema.pop("description"),
                "schema": schema,
            }
        )
    taken = {path.split(".")[0] for path in bound} | {rule.body}
    if rule.body != "*":
        for field in contract.messages[method.request].field:
            if field.name not in taken:
                parameters.append(_query(schemas, method.request, field))
    parameters += [{"$ref": "#/components/parameters/Language"}, {"$ref": "#/components/parameters/RequestId"}]

    level = ACCESS[method.access.level] if method.access else ACCESS[0]
    roles = list(method.access.roles) if method.access else []
    who = WHO[level].format(roles=" or ".join(f"`{role}`" for role in roles))
    operation: Json = {
        "operationId": f"{method.service.rpartition('.')[2]}_{method.name}",
        "tags": [_tag(method)],
        "summary": method.comment.split(". ")[0].rstrip("."),
        "description": f"{method.comment}\n\nFor {who}.",
        "security": [] if level == "PUBLIC" else [{"bearer": []}],
        "x-wasl-access": {"level": level, **({"roles": roles} if roles else {})},
        "x-rpc": f"{method.service}/{method.name}",
        "parameters": parameters,
    }
    if rule.body:
        operation["requestBody"] = _body(schemas, method, frozenset(bound))
    if method.response == "google.api.HttpBody":
        answer: Json = {"text/calendar": {"schema": {"type": "string"}}}  # the only files that there are
    else:
        answer = {"application/json": {"schema": schemas.ref(method.response, Use.ANSWER)}}
    done = {
        "description": "Done.",
        "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
        "content": answer,
    }
    statuses = _statuses(verb, level, bool(bound) or _names_others(contract, method.request), bool(rule.body))
    operation["responses"] = {
        "200": done,
        **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
    }
    return operation


def _names_others(contract: Contract, name: str) -> bool:
    """Does a message name another resource by its id, in whatever depth? It may not be there."""
    for field in contract.messages[name].field:
        sent = "OUTPUT_ONLY" not in contract.behaviors(field)
        if sent and field.name.endswith("_id") and field.name != "request_id":
            return True
        inner = field.type_name[1:]
        if sent and inner.startswith("wasl.") and inner in contract.messages and _names_others(contract, inner):
            return True
    return False


def _statuses(verb: str, level: str, one: bool, body: bool) -> list[int]:
    """Which problems can come: `one` has to be there and may be somebody else's, a `body` may be too large."""
    absent = set()
    if not (level == "ROLE" or (level == "AUTHENTICATED" and one)):
        absent.add(403)
    if not one:
        absent.add(404)
    if verb == "get":
        absent.add(409)
    if not body:
        absent.add(413)
    return sorted(set(PROBLEMS) - absent)


def _body(schemas: Schemas, method: Method, bound: frozenset[str]) -> Json:
    if method.http.body == "*":
        schema = schemas.message(method.request, Use.INPUT, without=bound)
        required = bool(schema.get("required"))
    else:
        _, field = _field(schemas.contract, method, method.http.body)
        masked = any(field.name == "update_mask" for field in schemas.contract.messages[method.request].field)
        schema = schemas.ref(field.type_name[1:], Use.PATCH if masked else Use.INPUT)
        required = "REQUIRED" in schemas.contract.behaviors(field) and not masked  # the path says which one
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _query(schemas: Schemas, owner: str, field: Any) -> Json:
    if field.type == FIELD.TYPE_MESSAGE and not field.type_name.startswith(".google.protobuf."):
        raise ValueError(f"{owner}.{field.name}: openapi.py cannot say a message as a query parameter")
    schema = schemas.field(owner, field, Use.INPUT)
    required = "REQUIRED" in schemas.contract.behaviors(field)
    return {
        "name": field.json_name,
        "in": "query",
        "description": schema.pop("description"),
        **({"required": True} if required else {}),
        "schema": schema,
    }


def _field(contract: Contract, method: Method, path: str) -> tuple[str, Any]:
    """The field that `path` of the request leads to, with the message that holds it."""
    owner = method.request
    *outer, last = path.split(".")
    for name in outer:
        owner = next(field for field in contract.messages[owner].field if field.name == name).type_name[1:]
    return owner, next(field for field in contract.messages[owner].field if field.name == last)


def _variables(template: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", template)


def _tag(method: Method) -> str:
    return method.service.split(".")[1]


def _problem(status: int, text: str) -> Json:
    headers = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
    if status == 429:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}
    return {"description": text, "headers": headers, "content": content}


def _status() -> dict[str, Json]:
    """google.rpc.Status and the details that it can carry."""
    details: dict[str, Json] = {}
    for name, detail in _DETAILS.items():
        properties = {"@type": {"const": f"type.googleapis.com/google.rpc.{name}"}, **detail["properties"]}
        required = ["@type", *detail.get("required", ())]
        details[name] = {
            "type": "object",
            "description": detail["description"],
            "properties": properties,
            "required": required,
        }
    status = {
        "type": "object",
        "description": "What went wrong: google.rpc.Status.",
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "google.rpc.Code."},
            "message": {"type": "string", "description": "For developers, in English."},
            "details": {
                "type": "array",
                "items": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in details]},
            },
        },
        "required": ["code", "message"],
    }
    return {"Status": status, **details}
