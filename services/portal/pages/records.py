"""The knowledge bank: one record with its files, writing and submitting one, curating."""

import functools
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import Response

from chassis import pb
from services.portal import files
from services.portal.acting import acting, acts_for
from services.portal.forms import Form
from services.portal.language import TONGUES, Language
from services.portal.refusals import Refused
from services.portal.visit import Visit
from wasl.members.v1 import members_pb2 as m
from wasl.resources.v1 import resources_pb2 as r

EDITED = (
    "title", "description", "keywords", "creators", "licence", "type", "language_codes", "subject_codes", "level_codes",
    "place_codes",
)  # fmt: skip
SUBJECTS = "expertise"  # what the terms of `help` that are subjects stand under
PAGE = 20
LICENCES = {  # SPDX identifier: name, and where its text is
    "CC-BY-4.0": ("licence.cc_by_4", "https://creativecommons.org/licenses/by/4.0/"),
    "CC-BY-SA-4.0": ("licence.cc_by_sa_4", "https://creativecommons.org/licenses/by-sa/4.0/"),
    "CC-BY-NC-4.0": ("licence.cc_by_nc_4", "https://creativecommons.org/licenses/by-nc/4.0/"),
    "CC-BY-NC-SA-4.0": ("licence.cc_by_nc_sa_4", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
    "CC-BY-ND-4.0": ("licence.cc_by_nd_4", "https://creativecommons.org/licenses/by-nd/4.0/"),
    "CC-BY-NC-ND-4.0": ("licence.cc_by_nc_nd_4", "https://creativecommons.org/licenses/by-nc-nd/4.0/"),
    "CC-BY-3.0-IGO": ("licence.cc_by_3_igo", "https://creativecommons.org/licenses/by/3.0/igo/"),
    "CC-BY-NC-SA-3.0-IGO": ("licence.cc_by_nc_sa_3_igo", "https://creativecommons.org/licenses/by-nc-sa/3.0/igo/"),
    "CC0-1.0": ("licence.cc0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "ODbL-1.0": ("licence.odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "AGPL-3.0-or-later": ("licence.agpl_3", "https://www.gnu.org/licenses/agpl-3.0.html"),
    "GPL-3.0-or-later": ("licence.gpl_3", "https://www.gnu.org/licenses/gpl-3.0.html"),
    "MIT": ("licence.mit", "https://spdx.org/licenses/MIT.html"),
    "Apache-2.0": ("licence.apache_2", "https://www.apache.org/licenses/LICENSE-2.0"),
    "ALL-RIGHTS-RESERVED": ("licence.reserved", ""),
}
STATES = ("RETURNED", "DRAFT", "SUBMITTED", "PUBLISHED", "SUPERSEDED", "WITHDRAWN")  # what waits for its author first


def licence(language: Language, code: str) -> str:
    """A licence's name."""
    return language.gettext(LICENCES[code][0]) if code in LICENCES else code


# -- one record ----------------------------------------------------------------------------------------------------
async def record(visit: Visit) -> Response:
    """One version of a record with its files and the other versions; to who may, what to do next with it."""
    return await _page(visit, await _record(visit), visit.form())


async def _record(visit: Visit) -> r.Record:
    return await visit.call(visit.resources.GetRecord, r.GetRecordRequest(record_id=visit.argument("record_id")))


async def _page(visit: Visit, found: r.Record, form: Form) -> Response:
    visit.path = f"/records/{found.record_id}"  # also when a button of it was refused
    own = await acts_for(visit, found.publisher_id)
    versions = await visit.part(visit.resources.ListRecords, r.ListRecordsRequest(concept_id=found.concept_id))
    publisher = await _publisher(visit, found.publisher_id)
    return visit.page(
        "records/one.html",
        form=form,
        record=found,
        own=own,
        curates=visit.may("curator") and not own,
        versions=versions,
        publisher=publisher,
        licence=licence(visit.language, found.licence),
        licence_url=LICENCES.get(found.licence, ("", ""))[1],
        address=_address(visit, found),
        year=str(pb.moment(found.publish_time).year),
        public=found.state in (r.Record.PUBLISHED, r.Record.SUPERSEDED),
        tongues=_tongues(visit.language, found.language_codes),
    )


async def _publisher(visit: Visit, member_id: str) -> m.Organization | m.Person | None:
    """None when the visitor may not know who it is."""
    try:
        return await visit.part(visit.members.GetOrganization, m.GetOrganizationRequest(organization_id=member_id))
    except Refused as refused:
        if refused.status != 404 or not visit.may("member", "coordinator"):
            return None
    try:
        return await visit.part(visit.members.GetPerson, m.GetPersonRequest(person_id=member_id))
    except Refused:
        return None


def _address(visit: Visit, found: r.Record) -> str:
    """Of its page, to be written down."""
    url = visit.request.url
    scheme = visit.request.headers.get("x-forwarded-proto", url.scheme)
    return f"{scheme}://{url.netloc}{visit.url(f'/records/{found.record_id}')}"


# -- writing -------------------------------------------------------------------------------------------------------
async def create(visit: Visit) -> Response:
    """A new record: saved as a draft, whose page takes its files."""
    form, known = visit.form(), await acting(visit)
    if form.sent:
        with form.refusals():
            made = await visit.call(visit.resources.CreateRecord, form.message(r.CreateRecordRequest))
            return visit.to(f"/records/{made.record_id}", "notice.record.begun")
    return visit.page("records/edit.html", form=form, record=None, acting=known, **_choices(visit.language))


async def change(visit: Visit) -> Response:
    """Changes a draft, or what was returned."""
    visit.signed_in()
    found = await _record(visit)
    form = visit.form()
    form.fill("record", found)
    if form.sent:
        with form.refusals():
            request = form.message(r.UpdateRecordRequest, update_mask=FieldMask(paths=EDITED))
            request.record.record_id = found.record_id
            await visit.call(visit.resources.UpdateRecord, request)
            return visit.to(f"/records/{found.record_id}", "notice.saved")
    return visit.page("records/edit.html", form=form, record=found, acting=None, **_choices(visit.language))


def _choices(language: Language) -> dict[str, Any]:
    return {
        "types": language.words(r.Record.Type),
        "licences": [(code, licence(language, code)) for code in LICENCES],
        "tongues": _tongues(language),
        "subjects": SUBJECTS,
    }


def _tongues(language: Language, others: Iterable[str] = ()) -> list[tuple[str, str]]:
    return [(code, language.tongue(code)) for code in dict.fromkeys([*TONGUES, *others])]


async def move(verb: str, notice: str, visit: Visit) -> Response:
    """One step of a record: submit, publish, return, withdraw, take a file out, begin the next version."""
    visit.signed_in()
    form = visit.form()
    kind = getattr(r, f"{verb}Request")
    with form.refusals():
        request = form.message(kind, record_id=visit.argument("record_id"))
        done = await visit.call(getattr(visit.resources, verb), request)
        return visit.to(f"/records/{done.record_id}", notice)
    return await _page(visit, await _record(visit), form)


# -- files ---------------------------------------------------------------------------------------------------------
async def add_file(visit: Visit) -> Response:
    """Takes a file as a form sends it, and passes it on as it comes."""
    visit.signed_in()
    form, record_id = visit.form(), visit.argument("record_id")
    form.typed["file"] = [""]  # it is a field of the form, though it does not come as one
    with form.refusals():
        if visit.file is None:
            raise Refused(400, fields={"file": visit.language.gettext("form.value")})
        await files.add(visit, record_id, visit.file, form.value("language"))
        return visit.to(f"/records/{record_id}", "notice.record.file")
    return await _page(visit, await _record(visit), form)


async def begin_upload(visit: Visit) -> Response:
    """For the script that uploads in pieces: announces a file, and answers where they go."""
    visit.signed_in()
    form = visit.form()
    size = form.value("size")
    try:
        upload_id = await files.begin(
            visit,
            visit.argument("record_id"),
            name=form.value("name"),
            mime_type=form.value("type"),
            size=size if size.isascii() and size.isdecimal() else "",
            language=form.value("language"),
        )
    except Refused as refused:
        return _wrong(visit, refused)
    return visit.answer(json.dumps({"upload": visit.url(f"/uploads/{upload_id}")}), "application/json", 201)


async def upload(visit: Visit) -> Response:
    """For the same script: how much has come (HEAD), and one piece more (PATCH)."""
    visit.signed_in()
    request, upload_id = visit.request, visit.argument("upload_id")
    try:
        if request.method == "HEAD":
            return Response(
                headers={"upload-offset": await files.offset(visit, upload_id), "cache-control": "no-store"}
            )
        offset = await files.append(
            visit,
            upload_id,
            offset=request.headers.get("upload-offset", ""),
            size=request.headers.get("content-length", ""),
            content=request.stream(),
        )
    except Refused as refused:
        return _wrong(visit, refused)
    response = Response(status_code=204, headers={"upload-offset": offset, "cache-control": "no-store"})
    if offset == request.headers.get("upload-length"):
        visit.notify(response, "notice.record.file")
    return response


def _wrong(visit: Visit, refused: Refused) -> Response:
    """Sentences by the form's fields."""
    said = refused.fields or {"file": refused.text or visit.language.gettext("form.busy")}
    return visit.answer(json.dumps(said), "application/json", refused.status)


async def download(visit: Visit) -> Response:
    """A file that is not public yet, for who may have it."""
    visit.signed_in()
    return await files.download(visit, visit.argument("file_id"))


# -- lists ---------------------------------------------------------------------------------------------------------
async def mine(visit: Visit) -> Response:
    """The records of the visitor, or of an organization that he or she acts for, by their state."""
    known = await acting(visit)
    publisher_id = visit.query("publisher_id") or next(iter(known.ids), "")
    if not known.ids:
        return visit.page("records/mine.html", acting=known, found=None)
    if publisher_id not in known.ids:
        raise Refused(404)
    counted = await visit.parts(*(_listed(visit, state, publisher_id, page_size=1) for state in STATES))
    counts = {state: one.total_size if one else 0 for state, one in zip(STATES, counted, strict=True)}
    state = visit.query("state") or next((one for one in STATES if counts[one]), "DRAFT")
    if state not in counts:
        raise Refused(404)
    rpc, request = _listed(visit, state, publisher_id, page_size=PAGE, page_token=visit.query("page_token"))
    found = await visit.call(rpc, request)
    return visit.page(
        "records/mine.html",
        acting=known,
        found=found,
        counts=counts,
        state=state,
        words=dict(visit.language.words(r.Record.State)),
        publisher_id=publisher_id,
    )


def _listed(visit: Visit, state: str, publisher_id: str = "", **pages: Any) -> tuple[Any, r.ListRecordsRequest]:
    request = r.ListRecordsRequest(state=r.Record.State.Value(state), publisher_id=publisher_id, **pages)
    return visit.resources.ListRecords, request


async def queue(visit: Visit) -> Response:
    """What was submitted and waits for a curator, the longest waiting first."""
    await visit.require("curator")
    waiting, token = [], ""
    while True:  # the list comes by the age of the drafts, newest first
        answer = await visit.call(*_listed(visit, "SUBMITTED", page_size=200, page_token=token))
        waiting += answer.records
        if not (token := answer.next_page_token):
            break
    waiting.sort(key=lambda one: (pb.moment(one.submit_time), one.record_id))
    asked = visit.query("page_token")
    start = int(asked) if asked.isascii() and asked.isdecimal() else 0
    following = str(start + PAGE) if start + PAGE < len(waiting) else ""
    return visit.page(
        "records/queue.html", records=waiting[start : start + PAGE], total=len(waiting), following=following
    )


Page = Callable[[Visit], Awaitable[Response]]
PAGES: list[tuple[str, Page, str]] = [
    ("/records/new", create, "GET POST"),
    ("/records/{record_id}", record, "GET"),
    ("/records/{record_id}/change", change, "GET POST"),
    *(
        (f"/records/{{record_id}}/{path}", functools.partial(move, verb, notice), "POST")
        for path, verb, notice in (
            ("submit", "SubmitRecord", "notice.record.submit"),
            ("publish", "PublishRecord", "notice.record.publish"),
            ("return", "ReturnRecord", "notice.record.return"),
            ("withdraw", "WithdrawRecord", "notice.record.withdraw"),
            ("version", "CreateVersion", "notice.record.version"),
            ("remove-file", "RemoveFile", "notice.record.remove_file"),
        )
    ),
    ("/records/{record_id}/files", add_file, "POST"),
    ("/records/{record_id}/uploads", begin_upload, "POST"),
    ("/uploads/{upload_id}", upload, "HEAD PATCH"),
    ("/files/{file_id}", download, "GET"),
    ("/my-records", mine, "GET"),
    ("/queues/records", queue, "GET"),
]
