-- Puts a subject's shadow, made from the log, in place of its state. After subject_fence.lua.
--
-- KEYS[1], KEYS[2]  the subject's state and window       KEYS[3], KEYS[4]  its shadow's        ARGV[1]  ttl_s
--
-- Returns "replaced"; or, and then nothing changes, "behind" where the state has seen a later frame than the
-- shadow (read on, and try again), or "less" where it has seen more events than the log still has.
local state, window, shadow, shadow_window = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

if redis.call('TYPE', state).ok == 'hash' then
  local now = redis.call('HMGET', state, 'run', 'frame_seq', 'events')
  if now[2] then
    local seen, dropped = fence_of(shadow)
    if not is_replay(seen, dropped, now[1] or '0', now[2]) then return 'behind' end
    if tonumber(redis.call('HGET', shadow, 'events') or 0) < tonumber(now[3] or 0) then return 'less' end
  end
end
if redis.call('EXISTS', shadow) == 0 then return 'less' end

redis.call('RENAME', shadow, state)
redis.call('DEL', window)
if redis.call('EXISTS', shadow_window) == 1 then redis.call('RENAME', shadow_window, window) end
redis.call('EXPIRE', state, ARGV[1])
redis.call('EXPIRE', window, ARGV[1])
return 'replaced'
