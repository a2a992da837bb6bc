"""What does a developer paste to read lists? One program without a library for OneRoster; snippets.py fills it in."""

from __future__ import annotations

LISTS = """\
# pip install requests
# Run it:  CLIENT_SECRET=... python lists.py
# Every pupil of every class for whom a school made this app visible, without anybody signing in.
import os

import requests

ISSUER = "@ISSUER@"
WHO = ("@CLIENT_ID@", os.environ["CLIENT_SECRET"])
ASKED = {"grant_type": "client_credentials", "scope": "@LISTS_SCOPE@"}
PROOF = @LISTS_PROOF@

wire = requests.Session()
token = wire.post(ISSUER + "/token", timeout=30, **PROOF).json()["access_token"]
wire.headers["Authorization"] = "Bearer " + token


def everything(collection):
    address = f"{ISSUER}/ims/oneroster/rostering/v1p2/{collection}?limit=500"
    while address:
        answer = wire.get(address, timeout=60)
        answer.raise_for_status()
        for lines in answer.json().values():
            yield from lines
        address = answer.links.get("next", {}).get("url")  # the page says where the next one is


users = {one["sourcedId"]: one for one in everything("users")}  # sourcedId is the sub of a sign-in
classes = {one["sourcedId"]: one for one in everything("classes")}  # and the id in ov_klassen
for sits in everything("enrollments"):
    user, one = users[sits["user"]["sourcedId"]], classes[sits["class"]["sourcedId"]]
    print(one["title"], user.get("givenName", ""), user["sourcedId"], sep="\\t")
"""
