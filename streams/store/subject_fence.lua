-- The fence of a subject's state: which frames it has seen. Goes before the scripts that need it.
--
-- Text like "12@0 90@1764000000000000": the last frame of each run, the oldest run first. A frame is a replay if
-- its run has seen it or a later one. So two runs at once do not fence each other, and no clock has a say.
-- Of more than RUNS runs the oldest is dropped for "!" with its number: it and what is older is over for good.
local RUNS = 4

local function fence_of(state)  -- the state's fence as { {seq, run}, … } and the newest run that was dropped
  local seen, dropped = {}, -1
  local kept = redis.call('HMGET', state, 'fence', 'frame_seq')
  if kept[1] then
    for seq, run in string.gmatch(kept[1], '(%d+)@(%d+)') do seen[#seen + 1] = { seq, run } end
    dropped = tonumber(string.match(kept[1], '!(%d+)') or -1)
  elseif kept[2] then  -- of a release that knew no runs
    seen[1] = { kept[2], '0' }
  end
  return seen, dropped
end

local function is_replay(seen, dropped, run, seq)
  for _, each in ipairs(seen) do
    if tonumber(each[2]) == tonumber(run) then return tonumber(seq) <= tonumber(each[1]) end
  end
  return tonumber(run) <= dropped
end

local function fence_with(seen, dropped, run, seq)  -- the text of the fence once it has seen this frame too
  local kept = { { seq, run } }
  for _, each in ipairs(seen) do
    if tonumber(each[2]) ~= tonumber(run) then kept[#kept + 1] = each end
  end
  table.sort(kept, function(a, b) return tonumber(a[2]) < tonumber(b[2]) end)
  local oldest = dropped >= 0 and string.format('%.0f', dropped)
  if #kept > RUNS then oldest = table.remove(kept, 1)[2] end
  for i, each in ipairs(kept) do kept[i] = each[1] .. '@' .. each[2] end
  return table.concat(kept, ' ') .. (oldest and ' !' .. oldest or '')
end
