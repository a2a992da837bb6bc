"""The examples in deploy/ name what the program has: addresses, settings, commands, numbers, limits."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from idp import cli, config, listening, manners, patience
from idp.feeds import endpoints as feeding
from idp.watching import exposing, health, measures, watched
from tests.house.test_docs import commands

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
PROXIES = {
    path.name: path.read_text(encoding="utf-8") for path in (DEPLOY / "nginx.conf", DEPLOY / "haproxy.cfg")
}
UNITS = sorted((DEPLOY / "systemd").iterdir())


def test_the_example_of_settings_is_one(tmp_path):
    given = tomllib.loads((DEPLOY / "idp.toml").read_text(encoding="utf-8"))
    read = config.read({}, data=tmp_path, **given)
    assert read.trusted_proxies == 1
    assert read.metrics_host in config.LOOPBACK


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_unit_runs_a_command_that_exists_and_every_timer_has_its_unit(unit):
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read_string(unit.read_text(encoding="utf-8"))
    if unit.suffix == ".timer":
        assert unit.with_suffix(".service") in UNITS
        assert read["Install"]["WantedBy"] == "timers.target"
        return
    words = read["Service"]["ExecStart"].split()
    known = {name for name, _ in commands(cli.main)}
    assert words[0] == "/opt/leersleutel/bin/idp"
    command = [word for word in words[1:] if not word.startswith("/")]  # a folder is no word of a command
    assert " ".join(["idp", *command]) in known
    assert all(word in read["Service"]["ReadWritePaths"].split() for word in words[1:] if word not in command)
    assert read["Service"]["Environment"] == "IDP_DATA=/srv/idp"
    assert read["Service"]["NoNewPrivileges"] == "yes"
    if unit.name == "leersleutel.service":
        assert read["Service"]["KillMode"] == "mixed", (
            "workers are told by the first process, after it has drained"
        )
        assert int(read["Service"]["TimeoutStopSec"]) >= 30 + 6
        assert (read["Service"]["Restart"], read["Unit"]["StartLimitIntervalSec"]) == ("on-failure", "0"), (
            "after a power cut the database may be up minutes later"
        )


@pytest.mark.parametrize("name", PROXIES)
def test_both_proxies_hide_what_is_not_for_strangers_and_log_no_path(name):
    said = PROXIES[name]
    assert "/health/" in said
    assert "/metrics" in said
    assert {health.LIVE, health.READY} == {"/health/live", "/health/ready"}
    assert "X-Forwarded-Proto" in said
    assert "stuk" in said
    assert ":8080" in said
    port = config.Settings.model_fields["port"].default
    assert f":{port}" in said
    assert not re.search(r"\$request\b|\$request_uri (?!;)|\$args|\$http_referer|%r\b|%HU|%HQ|%HP\b", said)


def test_LEAK_03_the_place_that_nginx_logs_is_the_first_word_of_a_path():
    pattern = re.search(r"~(\^\S+)  \$first", PROXIES["nginx.conf"])
    python = pattern[1].replace("?<first>", "?P<first>")
    for path, logged in {
        "/k/K1SECRET": "/k",
        "/K/K1SECRET": "/",
        "/mijn/jan.jansen": "/mijn",
        "/authorize": "/authorize",
        "/.well-known/openid-configuration": "/.well-known",
    }.items():
        assert re.match(python, path)["first"] == logged


def test_the_limits_of_the_proxies_are_ours():
    assert manners.LARGEST_BODY == 256 * 1024
    assert "client_max_body_size  256k;" in PROXIES["nginx.conf"]
    assert f"gt {manners.LARGEST_BODY}" in PROXIES["haproxy.cfg"]
    assert patience.SECONDS == 10
    for said in ("client_header_timeout 10s", "client_body_timeout   10s"):
        assert said in PROXIES["nginx.conf"]
    assert "timeout http-request 10s" in PROXIES["haproxy.cfg"]
    most = config.Settings.model_fields["import_megabytes"].default
    assert f"client_max_body_size {most + 1}m;" in PROXIES["nginx.conf"]


def test_DOS_03_both_proxies_keep_a_post_until_it_is_whole():
    nginx, haproxy = PROXIES["nginx.conf"], PROXIES["haproxy.cfg"]
    unbuffered = re.search(r"location ~ (\S+) \{([^}]*\}[^}]*request_buffering off[^}]*)\}", nginx)
    assert re.sub(r"\(|\)|\?:|\^|\$", "", unbuffered[1]) == re.sub(
        r"\(|\)|\?:|\{1,6\}", "", feeding.UPLOAD.pattern
    ).replace("[0-9]/", "[0-9]+/")
    assert "limit_except PUT { deny all; }" in unbuffered[2]
    assert nginx.count("proxy_request_buffering off;") == 1
    assert "proxy_request_buffering on;" in nginx.split("location / {")[0]
    waits = haproxy.index("http-request wait-for-body time 10s if METH_POST\n")
    assert waits < haproxy.index("http-request set-var(txn.there) req.body_len if METH_POST\n")
    assert "acl small req.hdr_val(content-length) le 16384\n" in haproxy
    assert "acl whole req.body_size,sub(txn.there) eq 0\n" in haproxy
    assert "http-request deny deny_status 408 if METH_POST small !whole\n" in haproxy


def test_the_alerts_ask_for_numbers_that_we_tell():
    ours = Path(measures.__file__).read_text() + Path(exposing.__file__).read_text()
    rules = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text(encoding="utf-8"))["groups"][0][
        "rules"
    ]
    for rule in rules:
        for name in re.findall(r"\bidp_\w+", rule["expr"]):
            assert f'"{re.sub("_(total|count|sum|bucket)$", "", name)}"' in ours, name
    assert "health" in watched.KINDS.values()


def test_the_container_serves_what_the_wheel_has():
    said = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert 'CMD ["idp", "serve"]' in said
    assert health.READY in said
    assert "requirements/run.txt" in said
    assert listening.STOPPING.startswith("_")
