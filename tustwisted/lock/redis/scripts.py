"""
What runs inside Redis, and the names it uses there.

Each script is done as a whole before anybody else's.  A lock is a key whose value is
the token of its holder, marked at its end once somebody has asked for it: only the
release of a marked one is told to everybody, so that locks nobody waits for cost no
messages.  A key goes by itself when its lease ends.

The epoch: a Redis that was started again, emptied or replaced by its replica may have
forgotten locks that somebody holds.  So the key ``epoch`` tells which run of the server
(``run_id``) the locks are of, and for one lease from the first call that finds another
one, or none, nothing is granted.  Without a run id (the user may not run INFO) every
epoch is the right one, so that only an empty Redis is noticed.

Replies are integers and status lines: txredisapi takes a turn of the reactor for each
bulk string.
"""

from __future__ import annotations

from tustwisted.lock.redis.leases import (
    TOKEN_BYTES,
    Answer,
    Freed,
    Granted,
    Held,
    Message,
    NotYet,
    Wanted,
)

PREFIX = b"tustwisted:"
EPOCH_KEYS = [PREFIX + b"epoch", PREFIX + b"quarantine"]

_MARK_EPOCH = """
local epoch = redis.call('GET', KEYS[1])
if not epoch or (ARGV[1] ~= '' and epoch ~= ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
end
"""

MARK_EPOCH = _MARK_EPOCH + "return 0"
"""KEYS: epoch, quarantine.  ARGV: run id or nothing, lease in ms."""

ACQUIRE = (
    _MARK_EPOCH
    + """
local wait = redis.call('PTTL', KEYS[2])
if wait >= 0 then return wait + 1 end
local token, holder = ARGV[3], redis.call('GET', KEYS[3])
if not holder then
  redis.call('SET', KEYS[3], token, 'PX', ARGV[2])
  return 0
end
if string.sub(holder, 1, #token) == token then
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
  return 0
end
if ARGV[4] ~= '' then
  if #holder == #token then redis.call('APPEND', KEYS[3], '+') end
  redis.call('PUBLISH', ARGV[4], 'want ' .. string.sub(holder, 1, #token) .. ARGV[5])
end
return -1"""
)
"""
KEYS: epoch, quarantine, lock.  ARGV: run id or nothing, lease in ms, token, channel or
nothing, upload id.  Returns 0 granted, -1 held, or the rest of the quarantine in ms.
"""

RENEW = """
local kept = {}
for i, key in ipairs(KEYS) do
  local token, holder = ARGV[i + 1], redis.call('GET', key)
  kept[i] = '0'
  if holder and string.sub(holder, 1, #token) == token then
    redis.call('PEXPIRE', key, ARGV[1])
    kept[i] = '1'
  end
end
return redis.status_reply(table.concat(kept))"""
"""KEYS: locks.  ARGV: lease in ms, tokens.  Returns a line of 0 and 1."""

RELEASE = """
for i, key in ipairs(KEYS) do
  local token, holder = ARGV[2 * i], redis.call('GET', key)
  if holder and string.sub(holder, 1, #token) == token then
    redis.call('DEL', key)
    if #holder > #token then
      redis.call('PUBLISH', ARGV[1], 'free ' .. ARGV[2 * i + 1])
    end
  end
end
return 0"""
"""KEYS: locks.  ARGV: channel, then a token and an upload id for each."""


def lock_key(upload_id: str) -> bytes:
    """Name the key of an upload's lock."""
    return PREFIX + b"lock:" + as_bytes(upload_id)


def channel(db: int) -> bytes:
    """Name the channel; unlike keys, channels are common to all databases."""
    return PREFIX + b"%d" % db


def as_bytes(upload_id: str) -> bytes:
    """Write an id for Redis; any string will do."""
    return upload_id.encode("utf-8", "surrogatepass")


def read_answer(reply: int) -> Answer:
    """Read what ACQUIRE returns."""
    if reply == 0:
        return Granted()
    return Held() if reply < 0 else NotYet(reply / 1000)


def read_message(message: bytes) -> Message | None:
    """Read what was published; ``None`` for what is not ours."""
    word, _, rest = message.partition(b" ")
    try:
        if word == b"free":
            return Freed(rest.decode("utf-8", "surrogatepass"))
        if word == b"want" and len(rest) >= TOKEN_BYTES:
            upload_id = rest[TOKEN_BYTES:].decode("utf-8", "surrogatepass")
            return Wanted(rest[:TOKEN_BYTES], upload_id)
    except UnicodeDecodeError:
        pass
    return None
