"""ResourcesService over gRPC: request, use case, reply."""

from typing import Any

from chassis.app import App
from chassis.call import caller
from chassis.logservice import EventLog
from services.resources.usecases import records, terms
from wasl.log.v1 import log_pb2_grpc
from wasl.resources.v1 import resources_pb2 as r
from wasl.resources.v1 import resources_pb2_grpc
from wasl.resources.v1 import vocabularies_pb2 as v


class Resources(resources_pb2_grpc.ResourcesServiceServicer):
    """One method for each RPC of the contract, in its order."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def CreateRecord(self, request: r.CreateRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.create_record, r.Record, request, by=caller())

    async def GetRecord(self, request: r.GetRecordRequest, context: Any) -> r.Record:
        return await self._app.read(records.get_record, r.Record, request, by=caller())

    async def ListRecords(self, request: r.ListRecordsRequest, context: Any) -> r.ListRecordsResponse:
        return await self._app.read(records.list_records, r.ListRecordsResponse, request, by=caller())

    async def SearchRecords(self, request: r.SearchRecordsRequest, context: Any) -> r.SearchRecordsResponse:
        return await self._app.read(records.search_records, r.SearchRecordsResponse, request)

    async def UpdateRecord(self, request: r.UpdateRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.update_record, r.Record, request, by=caller())

    async def RemoveFile(self, request: r.RemoveFileRequest, context: Any) -> r.Record:
        return await self._app.write(records.remove_file, r.Record, request, by=caller())

    async def SubmitRecord(self, request: r.SubmitRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.submit_record, r.Record, request, by=caller())

    async def ReturnRecord(self, request: r.ReturnRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.return_record, r.Record, request, by=caller())

    async def PublishRecord(self, request: r.PublishRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.publish_record, r.Record, request, by=caller())

    async def WithdrawRecord(self, request: r.WithdrawRecordRequest, context: Any) -> r.Record:
        return await self._app.write(records.withdraw_record, r.Record, request, by=caller())

    async def CreateVersion(self, request: r.CreateVersionRequest, context: Any) -> r.Record:
        return await self._app.write(records.create_version, r.Record, request, by=caller())

    async def ListVocabularies(self, request: v.ListVocabulariesRequest, context: Any) -> v.ListVocabulariesResponse:
        return await self._app.read(terms.list_vocabularies, v.ListVocabulariesResponse, request)

    async def GetVocabulary(self, request: v.GetVocabularyRequest, context: Any) -> v.Vocabulary:
        return await self._app.read(terms.get_vocabulary, v.Vocabulary, request)


def register(app: App, server: Any) -> None:
    """Adds this process's services to a server."""
    resources_pb2_grpc.add_ResourcesServiceServicer_to_server(Resources(app), server)
    log_pb2_grpc.add_EventLogServiceServicer_to_server(EventLog(app), server)
