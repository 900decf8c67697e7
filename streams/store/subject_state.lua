-- Applies one emotion event to one subject's state. Returns 1 if applied, 0 if fenced.
--
-- KEYS[1]  hash: the subject's state            KEYS[2]  sorted set: its window, "seq:emotion" by time in ms
-- ARGV     frame_seq, captured_at_us, camera_id, emotion ("" = abstained), probabilities "p1,p2,…",
--          emotions "name1,name2,…", window_ms, smoothing_ms, ttl_s, event (JSON, kept as the last explanation)
--
-- The fence makes a replay harmless: an event of a frame that is not newer than the last one changes nothing.
local state, window = KEYS[1], KEYS[2]
local frame_seq, captured_at_us = tonumber(ARGV[1]), tonumber(ARGV[2])
local emotion = ARGV[4]

local last = redis.call('HMGET', state, 'frame_seq', 'smoothed_at_us', 'smoothed', 'dominant')
if last[1] and frame_seq <= tonumber(last[1]) then
  return 0
end

redis.call('HSETNX', state, 'first_seen_us', ARGV[2])
redis.call('HSET', state, 'frame_seq', ARGV[1], 'last_seen_us', ARGV[2], 'camera_id', ARGV[3], 'last_event', ARGV[10])
redis.call('HINCRBY', state, 'events', 1)

if emotion == '' then
  redis.call('HINCRBY', state, 'abstained', 1)
else
  local names, p, smoothed, best = {}, {}, {}, 1
  for name in string.gmatch(ARGV[6], '[^,]+') do names[#names + 1] = name end
  for value in string.gmatch(ARGV[5], '[^,]+') do p[#p + 1] = tonumber(value) end
  -- Exponential smoothing for uneven steps: the weight of the new value grows with the time since the last one.
  local weight, before = 1, {}
  if last[2] then
    local dt_ms = math.max(0, captured_at_us - tonumber(last[2])) / 1000
    weight = 1 - math.exp(-dt_ms / tonumber(ARGV[8]))
    for value in string.gmatch(last[3], '[^,]+') do before[#before + 1] = tonumber(value) end
  end
  for i = 1, #p do
    local old = before[i] or p[i]
    smoothed[i] = old + weight * (p[i] - old)
    if smoothed[i] > smoothed[best] then best = i end
  end
  for i = 1, #p do smoothed[i] = string.format('%.6f', smoothed[i]) end
  redis.call('HSET', state, 'smoothed', table.concat(smoothed, ','), 'smoothed_at_us', ARGV[2])
  if last[4] ~= names[best] then
    redis.call('HSET', state, 'dominant', names[best], 'since_us', ARGV[2])
  end
  redis.call('ZADD', window, captured_at_us / 1000, ARGV[1] .. ':' .. emotion)
end

redis.call('ZREMRANGEBYSCORE', window, '-inf', captured_at_us / 1000 - tonumber(ARGV[7]))
redis.call('EXPIRE', state, ARGV[9])
redis.call('EXPIRE', window, ARGV[9])
return 1
