-- Applies one emotion event to one subject's state. Returns 1 if applied, 0 if fenced.
--
-- KEYS[1]  hash: the subject's state            KEYS[2]  sorted set: its window, "run.seq:emotion" by time in ms
-- KEYS[3]  there if the subject was forgotten: then nothing of it is kept
-- ARGV     1 frame_seq, 2 captured_at_us, 3 camera_id, 4 emotion ("" = abstained), 5 probabilities "p1,p2,…",
--          6 emotions "name1,name2,…" (neutral first), 7 yaw_deg, 8 pitch_deg, 9 window_ms, 10 ttl_s,
--          11 event (JSON, kept as the last explanation), 12 baseline ("subject" or "population"),
--          13 smoothing_s, 14 usual_s, 15 turn_discount, 16 sustained_odds, 17 run
--
-- The fence (subject_fence.lua) makes a replay harmless: an event of a frame that was seen changes nothing.
--
-- The smoothed probabilities are those of models/emotion/evidence.py, which says why; a test holds the two
-- together. The field "evidence" has what is carried from one event to the next, as little-endian doubles: the
-- gathered log-odds of each emotion but neutral, the usual ones, and where the head usually looks (yaw, pitch).
local LIMIT, LEAST_PROBABILITY, STEP_S = 8, 1e-6, 0.25
local USUAL, USUAL_MOST, LOOKS_S, TURN_UNIT_DEG = -4, 3, 10, 20

local state, window = KEYS[1], KEYS[2]
local captured_at_us, emotion = tonumber(ARGV[2]), ARGV[4]

local function numbers(text)
  local found = {}
  for value in string.gmatch(text, '[^,]+') do found[#found + 1] = tonumber(value) end
  return found
end

local function share(elapsed_s, constant_s)  -- how far an exponential average goes to a new value
  return 1 - math.exp(-elapsed_s / constant_s)
end

if redis.call('EXISTS', KEYS[3]) == 1 then
  return 0
end
local seen, dropped = fence_of(state)
if is_replay(seen, dropped, ARGV[17], ARGV[1]) then
  return 0
end
local last = redis.call('HMGET', state, 'smoothed_at_us', 'evidence', 'dominant')

redis.call('ZCARD', window)  -- fails where another program has the key, before anything is written
redis.call('HSETNX', state, 'first_seen_us', ARGV[2])
redis.call('HSET', state, 'fence', fence_with(seen, dropped, ARGV[17], ARGV[1]), 'run', ARGV[17],
  'frame_seq', ARGV[1], 'last_seen_us', ARGV[2], 'camera_id', ARGV[3], 'last_event', ARGV[11])
redis.call('HINCRBY', state, 'events', 1)

if emotion == '' then
  redis.call('HINCRBY', state, 'abstained', 1)
else
  local smoothing_s, usual_s, turn_discount = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
  local sustained = ARGV[12] == 'subject' and tonumber(ARGV[16]) or 0
  local names, p, yaw, pitch = {}, numbers(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8])
  for name in string.gmatch(ARGV[6], '[^,]+') do names[#names + 1] = name end
  local n = #p - 1  -- emotions but neutral

  -- evidence: gathered 1 … n, usual n+1 … 2n, yaw 2n+1, pitch 2n+2
  local layout, e, since_s = '<' .. string.rep('d', 2 * n + 2), {}, STEP_S
  if last[1] and last[2] and #last[2] == 8 * (2 * n + 2) then
    e = { struct.unpack(layout, last[2]) }
    since_s = math.max(0, captured_at_us - tonumber(last[1])) / 1e6
  else
    for i = 1, 2 * n do e[i] = USUAL end
    e[2 * n + 1], e[2 * n + 2] = yaw, pitch
  end
  local step_s = math.min(since_s, STEP_S)
  local forget, step = share(since_s - step_s, smoothing_s), share(step_s, smoothing_s)
  local looks, learn = share(step_s, LOOKS_S), share(step_s, usual_s)

  e[2 * n + 1] = e[2 * n + 1] + looks * (yaw - e[2 * n + 1])
  e[2 * n + 2] = e[2 * n + 2] + looks * (pitch - e[2 * n + 2])
  local turned = ((yaw - e[2 * n + 1]) / TURN_UNIT_DEG) ^ 2 + ((pitch - e[2 * n + 2]) / TURN_UNIT_DEG) ^ 2
  local function left(i)
    return e[i] - math.min(math.max(e[n + i] - USUAL, 0), USUAL_MOST)
  end
  for i = 1, n + 1 do p[i] = math.log(math.max(p[i], LEAST_PROBABILITY)) end
  local neutral = math.max(p[1], math.max(unpack(p)) - LIMIT)
  local odds, rests = {}, true
  for i = 1, n do
    odds[i] = math.max(p[i + 1] - neutral, -LIMIT) + sustained - turn_discount * turned
    e[i] = e[i] + forget * (USUAL - e[i])
    e[i] = e[i] + step * (odds[i] - e[i])
    rests = rests and left(i) <= 0
  end
  if rests then
    for i = 1, n do e[n + i] = e[n + i] + learn * (odds[i] - e[n + i]) end
  end

  local z, greatest, best, sum = { 0 }, 0, 1, 0
  for i = 1, n do
    z[i + 1] = left(i)
    if z[i + 1] > greatest then greatest, best = z[i + 1], i + 1 end
  end
  for i = 1, n + 1 do z[i] = math.exp(z[i] - greatest); sum = sum + z[i] end
  for i = 1, n + 1 do z[i] = string.format('%.6f', z[i] / sum) end
  local carried = struct.pack(layout, unpack(e, 1, 2 * n + 2))
  redis.call('HSET', state, 'smoothed', table.concat(z, ','), 'smoothed_at_us', ARGV[2], 'evidence', carried)
  if last[3] ~= names[best] then
    redis.call('HSET', state, 'dominant', names[best], 'since_us', ARGV[2])
  end
  redis.call('ZADD', window, captured_at_us / 1000, ARGV[17] .. '.' .. ARGV[1] .. ':' .. emotion)
end

redis.call('ZREMRANGEBYSCORE', window, '-inf', captured_at_us / 1000 - tonumber(ARGV[9]))
redis.call('EXPIRE', state, ARGV[10])
redis.call('EXPIRE', window, ARGV[10])
return 1
