"""How are tries counted in Redis (or Valkey), so that all machines share them?

A counter is a hash under the same keyed digest as in the database, with moments in microseconds, and expires when
nobody can ask for it any more. Reserving reads, decides with the rules of the database (counting.decide), and writes
only if nothing changed meanwhile; every other step is one script. Scripts run one at a time: that is the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from idp.config import Settings
from idp.login import counting, slowing
from idp.login.counting import Closed, Reserved
from idp.login.slowing import Counter, State

PREFIX = "{leersleutel}:"
"""Before every key. The braces keep them on one node of a cluster, which scripts over more keys need."""
LONGEST = timedelta(days=5 * 365)
"""What is closed until help stays this long."""
MARGIN = timedelta(hours=1)
_ATTEMPTS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = ("count", "since", "closed", "level", "changed")

_COMMON = """
local function seen(key)
  local v = redis.call('HMGET', key, 'count', 'since', 'closed', 'level', 'changed')
  if v[1] then return v end
end
local function keep(key, v, ttl)
  redis.call('HSET', key, 'count', v[1], 'since', v[2], 'closed', v[3], 'level', v[4], 'changed', v[5])
  if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
end
"""
_SWAP = """
for i, key in ipairs(KEYS) do
  local v = seen(key)
  if (v and table.concat(v, '|') or '') ~= ARGV[i * 7 - 6] then return 0 end
end
for i, key in ipairs(KEYS) do
  keep(key, {unpack(ARGV, i * 7 - 5, i * 7 - 1)}, ARGV[i * 7])
end
return 1
"""
"""Seven words a key: what is expected there, five fields, how long to keep it."""
_FIRST = """
for i = 2, #KEYS do
  local closed = redis.call('HGET', KEYS[i], 'closed')
  if closed and closed ~= '' and tonumber(closed) > tonumber(ARGV[1]) then return 0 end
end
if seen(KEYS[1]) then return 0 end
keep(KEYS[1], {unpack(ARGV, 2, 6)}, ARGV[7])
return 1
"""
_GIVE_BACK = """
local v = seen(KEYS[1])
if not v then return 0 end
v[1] = math.max(0, tonumber(v[1]) - tonumber(ARGV[1]))
if v[5] == ARGV[2] then v[5] = ARGV[3] end
if ARGV[4] ~= '' and v[3] == ARGV[4] then v[3] = ''; v[4] = ARGV[5] end
keep(KEYS[1], v, 0)
return 1
"""
_SETTLE = """
local gone = {}
for i, key in ipairs(KEYS) do
  local v = seen(key)
  if v and (i <= tonumber(ARGV[1]) or (tonumber(v[1]) <= 1 and v[4] == '0')) then
    redis.call('DEL', key)
    gone[#gone + 1] = {i, v[1], v[5]}
  end
end
return gone
"""
_BUMP = """
local v, now, limit = seen(KEYS[1]), ARGV[1], ARGV[2]
if not v then
  v = {1, now, '', 0, now}
else
  if limit ~= '' and tonumber(v[tonumber(ARGV[3])]) <= tonumber(limit) then
    v[1], v[2] = 1, now
  else
    v[1] = v[1] + 1
  end
  v[5] = now
end
keep(KEYS[1], v, ARGV[4])
return tonumber(v[1])
"""
_CLOSE = """
local v = seen(KEYS[1]) or {0, ARGV[1], '', 0, ''}
v[3], v[5] = ARGV[1], ARGV[1]
keep(KEYS[1], v, ARGV[2])
"""
_MISTAKE = """
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
"""
_UNTALLY = """
local count = redis.call('HGET', KEYS[1], ARGV[1])
if count then redis.call('HSET', KEYS[1], ARGV[1], math.max(0, tonumber(count) - tonumber(ARGV[2]))) end
"""


class InRedis:
    """The counters (see counting.Counters), through the client of a RedisLink. Raises redis.RedisError."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def closed(self, names: Sequence[str], now: datetime) -> Sequence[tuple[str, datetime]]:
        with self._client.pipeline(transaction=False) as asked:
            for name in names:
                asked.hget(PREFIX + name, "closed")
            found = asked.execute()
        moments = {name: _moment(text) for name, text in zip(names, found, strict=True) if text}
        return [(name, until) for name, until in moments.items() if until > now]

    def take_first(self, first: Reserved, watched: Sequence[str], now: datetime) -> bool:
        words: list[str | int] = [_text(now), *_fields(first.after), _kept(first.after, now)]
        return bool(self._run(_FIRST, [first.key, *watched], words))

    def take(
        self, wanted: Mapping[str, Counter], now: datetime, settings: Settings
    ) -> tuple[Reserved, ...] | tuple[Closed, ...]:
        for _ in range(_ATTEMPTS):
            seen = self._seen(wanted)
            found = {name: _state(fields) for name, fields in seen.items()}
            answer = counting.decide(wanted, found, now, settings)
            asked: list[str | int] = []
            for one in answer:
                if isinstance(one, Closed):
                    return answer
                asked.append("|".join(seen[one.key]))
                asked.extend(_fields(one.after))
                asked.append(_kept(one.after, now))
            if self._run(_SWAP, [*wanted], asked):
                return answer
        raise redis.WatchError("everybody else was faster")

    def give_back(self, rows: Iterable[Reserved], *, tries: int) -> None:
        for one in rows:
            before, after = one.before, one.after
            earlier = before.changed_at if before else after.since
            closed = _text(after.closed_until)
            words: list[str | int] = [
                tries,
                _text(after.changed_at),
                _text(earlier),
                closed,
                before.level if before else 0,
            ]
            self._run(_GIVE_BACK, [one.key], words)

    def settle(self, *, reset: Sequence[str], refund: Sequence[str]) -> dict[str, tuple[int, datetime]]:
        names = [*reset, *refund]
        gone = self._run(_SETTLE, names, [len(reset)])
        return {names[int(index) - 1]: (int(count), _moment(last)) for index, count, last in gone}

    def bump(
        self,
        name: str,
        now: datetime,
        *,
        kept: timedelta,
        after: timedelta | None = None,
        after_quiet: timedelta | None = None,
    ) -> int:
        over = after or after_quiet
        limit = _text(now - over) if over else ""
        return int(self._run(_BUMP, [name], [_text(now), limit, 2 if after else 5, _milliseconds(kept)]))

    def close(self, name: str, until: datetime, now: datetime) -> None:
        self._run(_CLOSE, [name], [_text(until), _milliseconds(until - now)])

    def tally(self, name: str, now: datetime, *, days: int) -> int:
        key = f"{PREFIX}{name}:days"
        with self._client.pipeline(transaction=True) as asked:
            asked.hincrby(key, now.date().toordinal(), 1)
            asked.pexpire(key, _milliseconds(timedelta(days=days + 1)))
            asked.execute()
        return self.tallied(name, now, days=days)

    def untally(self, name: str, now: datetime, count: int) -> None:
        self._run(_UNTALLY, [f"{name}:days"], [now.date().toordinal(), count])

    def tallied(self, name: str, now: datetime, *, days: int) -> int:
        today = now.date().toordinal()
        asked = [today - back for back in range(days)]
        return sum(int(count or 0) for count in self._client.hmget(f"{PREFIX}{name}:days", asked))

    def is_new_mistake(self, digest: str, now: datetime, *, hours: int) -> bool:
        day = timedelta(hours=hours)
        return bool(self._run(_MISTAKE, [digest], [_text(now), _text(now - day), _milliseconds(day)]))

    def states(self, names: Iterable[str]) -> dict[str, State]:
        seen = self._seen([*names])
        return {name: state for name, fields in seen.items() if (state := _state(fields)) is not None}

    def remove(self, names: Iterable[str]) -> int:
        wanted = [PREFIX + name for name in names]
        return int(self._client.delete(*wanted)) if wanted else 0

    def _seen(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The five fields of each; no field of one that is not there."""
        wanted = [*names]
        with self._client.pipeline(transaction=False) as asked:
            for name in wanted:
                asked.hmget(PREFIX + name, _FIELDS)
            found = asked.execute()
        return {
            name: fields if fields[0] is not None else [] for name, fields in zip(wanted, found, strict=True)
        }

    def _run(self, script: str, names: Sequence[str], words: Sequence[str | int]) -> Any:
        ready = self._client.register_script(_COMMON + script)
        return ready(keys=[PREFIX + name for name in names], args=words)


def _state(fields: Sequence[str]) -> State | None:
    if not fields:
        return None
    count, since, closed, level, changed = fields
    return State(
        count=int(count),
        since=_moment(since),
        closed_until=_moment(closed) if closed else None,
        level=int(level),
        changed_at=_moment(changed),
    )


def _fields(state: State) -> tuple[str, ...]:
    moments = _text(state.since), _text(state.closed_until), _text(state.changed_at)
    return (str(state.count), moments[0], moments[1], str(state.level), moments[2])


def _kept(state: State, now: datetime) -> int:
    """Milliseconds: until it is quiet for so long that the rules would forget it."""
    last = max(state.changed_at, state.closed_until or state.changed_at)
    return _milliseconds(min(last - now, LONGEST) + slowing.QUIET)


def _milliseconds(time: timedelta) -> int:
    return int((min(time, LONGEST) + MARGIN) / timedelta(milliseconds=1))


def _text(moment: datetime | None) -> str:
    return "" if moment is None else str((moment - _EPOCH) // _MICROSECOND)


def _moment(text: str) -> datetime:
    return _EPOCH + int(text) * _MICROSECOND
