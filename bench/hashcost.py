#!/usr/bin/env python3
"""CPU cost of one password verification with each peer's scheme (OpenSSL/nettle/argon2 as the peer uses).

usage: taskset -c 0 hashcost.py      (needs argon2-cffi; nettle scheme needs libnettle.so.8)
"""

import ctypes
import hashlib
import time

PW, SALT = b"Correct-Horse-42", b"0123456789abcdef"


def cost(fn, least=1.0):
    fn()
    n, t0 = 0, time.process_time()
    while time.process_time() - t0 < least:
        fn()
        n += 1
    return (time.process_time() - t0) / n * 1e3


rows = [
    (
        "Django 5.2 default: PBKDF2-SHA256, 1,000,000 iterations (OpenSSL)",
        lambda: hashlib.pbkdf2_hmac("sha256", PW, SALT, 1_000_000),
    ),
    (
        "Canaille default: PBKDF2-SHA512, 25,000 iterations (OpenSSL)",
        lambda: hashlib.pbkdf2_hmac("sha512", PW, SALT, 25_000),
    ),
    (
        "OWASP PBKDF2-SHA512, 210,000 iterations (OpenSSL)",
        lambda: hashlib.pbkdf2_hmac("sha512", PW, SALT, 210_000),
    ),
    (
        "OWASP PBKDF2-SHA256, 600,000 iterations (OpenSSL)",
        lambda: hashlib.pbkdf2_hmac("sha256", PW, SALT, 600_000),
    ),
    (
        "scrypt N=2^15 r=8 p=1 (werkzeug default)",
        lambda: hashlib.scrypt(PW, salt=SALT, n=2**15, r=8, p=1, maxmem=132 * 2**20),
    ),
    (
        "scrypt N=2^17 r=8 p=1 (OWASP)",
        lambda: hashlib.scrypt(PW, salt=SALT, n=2**17, r=8, p=1, maxmem=260 * 2**20),
    ),
]
try:
    nettle = ctypes.CDLL("libnettle.so.8")
    out = ctypes.create_string_buffer(32)
    rows.append(
        (
            "Glewlwyd default: PBKDF2-SHA256, 150,000 iterations (nettle)",
            lambda: nettle.nettle_pbkdf2_hmac_sha256(
                ctypes.c_size_t(len(PW)),
                PW,
                ctypes.c_uint(150000),
                ctypes.c_size_t(16),
                SALT,
                ctypes.c_size_t(32),
                out,
            ),
        )
    )
except OSError as exc:
    print("no nettle:", exc)
try:
    from argon2.low_level import Type, hash_secret_raw

    for label, m, t, p in (
        ("argon2id m=19 MiB t=2 p=1 (OWASP minimum)", 19456, 2, 1),
        ("argon2id m=64 MiB t=3 p=4 (argon2-cffi default)", 65536, 3, 4),
        ("argon2id m=100 MiB t=2 p=8 (Django Argon2 default)", 102400, 2, 8),
        ("argon2id m=7 MiB t=5 p=1 (Keycloak default)", 7168, 5, 1),
    ):
        rows.append((label, lambda m=m, t=t, p=p: hash_secret_raw(PW, SALT, t, m, p, 32, Type.ID)))
except ImportError:
    print("no argon2-cffi")
for label, fn in rows:
    print(f"{cost(fn):8.2f} ms  {label}", flush=True)
