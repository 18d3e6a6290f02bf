"""What grows with the network: open offers, of which suggestions are made, and records, which are searched.

Rows go into the database as the services' own functions make them, so that a hundred thousand take seconds.
"""

import pathlib
import urllib.parse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import tantivy
from pymongo.database import Database

import vocabularies
from bench.contests import VIEW, document, open_line, posting
from bench.load import Request
from bench.words import Words
from chassis import mongo
from chassis.ids import new_id
from chassis.mongo import Document
from participants.model import Participant, ParticipantKind
from services.matching.model import Line, Posting, Side
from services.resources import search
from services.resources.model import Record, RecordState, RecordType

ASKED = 220
BATCH = 1000
Db = Database[Document]


class Offers:
    """Open ones, each of one line: of any kind of help, in any place or anywhere, as old as 60 days."""

    def __init__(self, db: Db) -> None:
        self._db, self._words, self._count = db, Words(1), 0
        self._helps = [term for term in vocabularies.load("help").terms if term.units]
        self._places = ["", *(term.code for term in vocabularies.load("places").terms)]
        self._people = [new_id() for _ in range(500)]
        asks = Participant(
            participant_id=new_id(),
            kind=ParticipantKind.ORGANIZATION,
            display_name=self._words.both(2, 3),
            join_time=datetime.now(UTC),
            version=1,
        )
        needs = [self._posting(Side.NEED, asks.participant_id) for _ in range(ASKED)]
        db[VIEW].insert_one(mongo.to_document(asks))
        db.postings.insert_many([document(need) for need in needs])
        self._needs = [need.posting_id for need in needs]

    def grow(self, count: int) -> None:
        """Until there are so many."""
        for first in range(self._count, count, BATCH):
            offers = (
                self._posting(Side.OFFER, self._words.choose.choice(self._people))
                for _ in range(first, min(first + BATCH, count))
            )
            self._db.open_lines.insert_many([open_line(offer) for offer in offers], ordered=False)
        self._count = count

    def requests(self, token: str) -> list[Request]:
        return [Request("GET", f"/v1/needs/{need_id}/suggestions", token) for need_id in self._needs]

    def _posting(self, side: Side, participant_id: str) -> Posting:
        choose, kind = self._words.choose, self._words.choose.choice(self._helps)
        line = Line(
            line_id=new_id(),
            help_code=kind.code,
            quantity=choose.randint(1, 500),
            unit_code=choose.choice(kind.units),
            place_code=choose.choice(self._places),
        )
        said = {
            "description": self._words.both(4, 12),
            "publish_time": datetime.now(UTC) - timedelta(days=60 * choose.random()),
        }
        return posting(side, participant_id, self._words.both(2, 5), line, **said)


class Bank:
    """Published records, and the same words in tantivy's index."""

    def __init__(self, db: Db, folder: pathlib.Path) -> None:
        self._db, self._words, self.count, self.peer = db, Words(3), 0, Peer(folder)
        self.questions = self._words.questions(ASKED)
        codes = {name: [term.code for term in vocabularies.load(name).terms] for name in ("places", "isced_levels")}
        self._places, self._levels = codes.values()
        self._subjects = [
            term.code
            for term in vocabularies.load("help").terms
            if vocabularies.within("help", term.code, search.SUBJECTS)
        ]

    def grow(self, count: int) -> None:
        """Until there are so many. An index is filled faster when it is made at the end, so that is done."""
        index = {"words": 1, "order": -1}
        self._db.entries.drop_index(list(index.items()))
        for first in range(self.count, count, BATCH):
            records = [self._record() for _ in range(first, min(first + BATCH, count))]
            entries = [search.entry(one, order=first + number) for number, one in enumerate(records, 1)]
            self._db.records.insert_many([document(one) for one in records], ordered=False)
            self._db.entries.insert_many([mongo.to_document(one) for one in entries], ordered=False)
            self.peer.add(entries)
        self._db.entries.create_index(list(index.items()))
        self.peer.commit()
        self.count = count

    def requests(self) -> list[Request]:
        return [Request("GET", f"/v1/records:search?q={urllib.parse.quote(one)}") for one in self.questions]

    def _record(self) -> Record:
        choose, now, record_id = self._words.choose, datetime.now(UTC), new_id()
        return Record(
            record_id=record_id,
            concept_id=record_id,
            version_number=1,
            state=RecordState.PUBLISHED,
            publisher_id="somebody",
            title=self._words.both(3, 8),
            description=self._words.both(20, 60),
            keywords=tuple(self._words.both(1, 2) for _ in range(choose.randint(0, 3))),
            creators=(self._words.text(choose.choice(("ar", "en")), 2, 2),),
            licence=choose.choice(("CC-BY-4.0", "CC0-1.0", "MIT", "ALL-RIGHTS-RESERVED")),
            type=choose.choice(list(RecordType)),
            language_codes=tuple(choose.sample(("ar", "en", "ku"), choose.randint(1, 2))),
            subject_codes=(choose.choice(self._subjects),),
            level_codes=(choose.choice(self._levels),),
            place_codes=(choose.choice(self._places),),
            create_time=now,
            submit_time=now,
            publish_time=now,
            version=3,
        )


class Peer:
    """tantivy in this process: the words of each record, as the numbers that stand for them in our own index."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir()
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("record_id", stored=True, tokenizer_name="raw", index_option="basic")
        schema.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
        self._schema = schema.build()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._writer = self._index.writer(num_threads=1)

    def add(self, entries: Sequence[search.Entry]) -> None:
        for entry in entries:
            words = " ".join(map(str, entry.words))
            self._writer.add_document(tantivy.Document(record_id=entry.record_id, words=words))

    def commit(self) -> None:
        self._writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, question: str) -> tuple[list[str], int]:
        """The ids of the 20 best that have all the words, and how many have them."""
        words = search.numbers(search.question(question))
        every = [(tantivy.Occur.Must, tantivy.Query.term_query(self._schema, "words", str(word))) for word in words]
        found: Any = self._searcher.search(tantivy.Query.boolean_query(every), limit=20, count=True)
        return [self._searcher.doc(where)["record_id"][0] for _, where in found.hits], found.count
