"""How do all registrations leave and come in as a file, in a browser? What would change is shown before it is applied.

/beheer/bestand                  fetch, or bring: first what each registration in the file would change, then it is stored
/beheer/bestand/registraties.yaml, .json   all of them, never with a secret

Secrets made for new apps are shown in the answer, once.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp import context, sentences, web
from idp.admin import shell, staff_door
from idp.admin.apps import app_files, app_list, app_planning, apps, problem_words
from idp.admin.apps.app_planning import Change
from idp.errors import Invalid, NotFound
from idp.models import RightKind

blueprint = Blueprint("operator_files", __name__)
PATH = "/beheer/bestand"
WRITERS = {
    "yaml": (app_files.write_yaml, "application/yaml"),
    "json": (app_files.write_json, "application/json"),
}


@blueprint.get(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def files() -> Response:
    return _page()


@blueprint.get(f"{PATH}/registraties.<form>")
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def fetch(form: str) -> Response:
    if form not in WRITERS:
        raise NotFound("page_unknown")
    with context.house().database.reading() as db:
        documents = app_list.export(db)
    write, kind = WRITERS[form]
    headers = {"Content-Disposition": f'attachment; filename="registraties.{form}"'}
    return Response(write(documents), mimetype=kind, headers=headers)


@blueprint.post(PATH)
@web.door(web.Door.STAFF)
@staff_door.needs(RightKind.OPERATOR)
def bring() -> Response:
    """All of the file or nothing, and only as it was shown: an app that changed meanwhile stops it."""
    house, text = context.house(), _text()
    if not staff_door.is_fresh():
        return _page(text=text, prove_first=True, status=403)
    now = house.clock.now()
    try:
        documents = app_files.read(text)
        if request.form.get("bevestig") != "1":
            planned = app_planning.plan_apps(house, documents, now=now)
            return _check(planned, text)
        stored = apps.import_apps(
            house, documents, now=now, expected=_shown(), reason=request.form.get("reden", "")[:1000]
        )
    except app_planning.Refused as refused:
        return _page(text=text, problems=problem_words.in_file(refused.problems), status=400)
    except Invalid as refusal:
        told = f"{sentences.sentence(refusal.code)} {sentences.advice(refusal.code)}"
        return _page(text=text, problem=told, detail=refusal.detail, status=refusal.status)
    return shell.page(
        "admin/operator_file_done.html",
        stored=[one for one in stored if one.change is not Change.SAME],
        same=sum(one.change is Change.SAME for one in stored),
    )


def _check(planned: tuple[app_planning.Planned, ...], text: str) -> Response:
    strict = context.house().settings.four_eyes
    lines = [one for one in planned if one.change is not Change.SAME]
    return shell.page(
        "admin/operator_file_check.html",
        lines=[(one, one.change.value, one.waits(four_eyes=strict)) for one in lines],
        same=len(planned) - len(lines),
        waits=any(one.waits(four_eyes=strict) for one in lines),
        versions=[f"{one.row['version'] if one.row else 0} {one.client_id}" for one in lines],
        text=text,
    )


def _shown() -> dict[str, int]:
    """Which version of each app the shown difference was made from."""
    found = {}
    for line in request.form.get("versies", "").splitlines():
        number, _, client_id = line.partition(" ")
        if number.isascii() and number.isdigit() and len(number) < 7:
            found[client_id] = int(number)
    return found


def _text() -> str:
    """What was chosen as a file, or else typed."""
    chosen = request.files.get("bestand")
    if chosen is None or not chosen.filename:
        return request.form.get("tekst", "")
    try:
        return chosen.stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        return "\0"


def _page(
    *,
    text: str = "",
    problem: str = "",
    problems: list[str] | None = None,
    detail: str = "",
    prove_first: bool = False,
    status: int = 200,
) -> Response:
    return shell.page(
        "admin/operator_file.html",
        status=status,
        text=text.replace("\0", ""),
        problem=problem,
        problems=problems or [],
        detail=detail,
        prove_first=prove_first,
    )
