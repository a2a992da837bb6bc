"""How is the house put together?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined

from idp import blanks, failing, web, wording
from idp.context import House

INSIDE = Path(__file__).parent / "templates"
BESIDE = Path(__file__).parent.parent / "templates"


class Pages(Flask):
    """Flask, with views that are functions: none is asked at every request whether it is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(house: House) -> Flask:
    """The web application for one house. Makes no connections and reads no time by itself."""
    from idp.admin import pages_home, shell, staff_door
    from idp.admin.accounts import pages_papers, pages_rollover
    from idp.admin.agreements import pages_deliveries, pages_operator_protocol, pages_sharing
    from idp.admin.api import (  # noqa: F401 - they fill the table of api_frame
        api_frame,
        endpoints_apps,
        endpoints_holds,
        endpoints_registrations,
        endpoints_schools,
        endpoints_verify,
    )
    from idp.admin.apps import endpoints as registering
    from idp.admin.apps import pages_operator_files, pages_registry
    from idp.admin.makers import pages_supplier, pages_suppliers
    from idp.admin.operators import (
        pages_operator,
        pages_operator_health,
        pages_operator_holds,
        pages_operator_schools,
    )
    from idp.admin.privacy import pages_extracts, pages_privacy
    from idp.admin.pupils import pages_devices, pages_pupils, pages_support
    from idp.admin.pupils import pages_help as staff_help
    from idp.admin.records import pages_trail
    from idp.admin.sandbox import pages_operator_sandbox, pages_sandbox
    from idp.admin.staff import pages_my_data, pages_operator_rights, pages_people, pages_teachers
    from idp.admin.visible import pages_apps, pages_explain, pages_succession
    from idp.claims import pages as claims_pages
    from idp.claims import pages_register
    from idp.feeds import endpoints as feeding
    from idp.login import doorstep as login_doorstep
    from idp.login import pages as login_pages
    from idp.login import pages_logo, pages_staff, pages_staff_setup, pages_upstream, sessions
    from idp.oidc import doorstep, endpoints, pages_sign_out
    from idp.oidc import pages as oidc_pages
    from idp.rosters import endpoints as listing

    app = Pages("idp", static_url_path="/static", template_folder=None)
    app.jinja_environment = wording.Spoken
    app.extensions["idp"] = house
    app.jinja_loader = ChoiceLoader([FileSystemLoader(INSIDE), FileSystemLoader(BESIDE)])
    app.jinja_env.undefined = StrictUndefined
    web.prepare(app, house.settings)
    failing.prepare(app)
    blanks.prepare(app)
    oidc_pages.prepare(app)
    sessions.login_manager.init_app(app)
    staff_door.prepare(app)
    shell.prepare(app)
    for floor in (
        login_pages,
        pages_logo,
        claims_pages,
        pages_register,
        oidc_pages,
        pages_sign_out,
        registering,
        feeding,
        listing,
        api_frame,
    ):
        app.register_blueprint(floor.blueprint)
    for staff in (
        pages_staff,
        pages_staff_setup,
        pages_upstream,
        pages_home,
        pages_my_data,
        pages_operator,
        pages_operator_files,
        pages_operator_health,
        pages_operator_holds,
        pages_operator_protocol,
        pages_operator_rights,
        pages_operator_sandbox,
        pages_operator_schools,
        pages_registry,
        pages_supplier,
        pages_suppliers,
        pages_people,
        pages_devices,
        pages_sharing,
        pages_succession,
        pages_deliveries,
        pages_apps,
        pages_explain,
        pages_extracts,
        pages_privacy,
        staff_help,
        pages_pupils,
        pages_papers,
        pages_rollover,
        pages_sandbox,
        pages_trail,
        pages_support,
        pages_teachers,
    ):
        app.register_blueprint(staff.blueprint)
    programs = endpoints.in_front_of(app.wsgi_app, house)
    signing_in = login_doorstep.in_front_of(programs, house, app.extensions["blanks"])
    app.wsgi_app = doorstep.in_front_of(signing_in, house)  # type: ignore[method-assign, assignment]
    return app
