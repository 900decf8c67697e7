-- Writes an alert state, unless another worker has written it since it was read. Returns 1 if written.
--
-- KEYS[1]  hash: version, state        KEYS[2]  there while nothing of the subject is to be kept (`mien forget`)
-- ARGV     1 version as it was read ("0": there was none), 2 state, 3 ttl_s
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HSET', KEYS[1], 'version', tonumber(ARGV[1]) + 1, 'state', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
