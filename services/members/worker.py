"""The members worker: announces what the outbox holds. It listens to nobody."""

from chassis.worker import Worker


class MembersWorker(Worker):
    name = "members"
