"""The resources worker: announces what the outbox holds, and keeps the participants up to date."""

from participants.worker import ParticipantsWorker


class ResourcesWorker(ParticipantsWorker):
    name = "resources"
