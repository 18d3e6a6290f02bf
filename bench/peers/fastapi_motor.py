"""FastAPI with motor, as one writes it for speed: the answer is encoded once, by msgspec, and not validated again.

    uvicorn bench.peers.fastapi_motor:app --workers 2 --loop uvloop --http httptools --no-access-log

No gateway, no contract, no identity.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pydantic
from fastapi import FastAPI, HTTPException, Response
from motor.motor_asyncio import AsyncIOMotorClient

from bench.peers import documents

JSON = "application/json"
db: Any = None


@asynccontextmanager
async def connect(_: FastAPI) -> AsyncIterator[None]:
    global db
    client: Any = AsyncIOMotorClient(os.environ["WASL_MONGO_URI"], **documents.CLIENT)
    db = client[os.environ["BENCH_DATABASE"]]
    yield
    client.close()


app = FastAPI(lifespan=connect)


class Text(pydantic.BaseModel):
    ar: str
    en: str


class Organization(pydantic.BaseModel):
    displayName: Text
    typeCode: str
    placeCode: str
    homepageUri: str


class Application(pydantic.BaseModel):
    organization: Organization
    statement: Text


@app.get("/v1/organizations/{organization_id}")
async def get_organization(organization_id: str) -> Response:
    found = await db.organizations.find_one({"_id": organization_id})
    if found is None:
        raise HTTPException(404)
    return Response(msgspec.json.encode(documents.organization(found)), media_type=JSON)


@app.post("/v1/applications")
async def create_application(application: Application) -> Response:
    document = documents.new_application(application.model_dump())
    await db.applications.insert_one(document)
    return Response(msgspec.json.encode(documents.application(document)), media_type=JSON)
