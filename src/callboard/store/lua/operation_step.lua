-- One step of an operation: what is asked is done to every task of its last chunk, and counted, in one
-- go. So the counts are exact whoever takes the next step, also after a kill -9 or a repeated call.
-- ARGV: 2 operation, 3 who takes the step, 4 lease in ms, 5 chunks left as far as the caller knows,
--       6 RESULT_TTL, 7 tombstone's life in s, 8 record's life in s, 9 refusals kept
-- Returns stepped|moved|busy|<ended status>, chunks left, ids to be sent to RabbitMQ…
local id, owner = ARGV[2], ARGV[3]
local key = P .. 'operation:' .. id
local known = redis.call('HMGET', key, 'status', 'owner', 'lease_ms', 'left', 'action', 'states', 'refused')
if known[1] ~= 'running' then
  redis.call('ZREM', P .. 'operations:running', id)
  return {known[1] or 'absent', 0}
end
if known[2] and known[2] ~= owner and tonumber(known[3]) > NOW_MS then return {'busy', known[4]} end
if known[4] ~= ARGV[5] then return {'moved', known[4]} end
-- The first write: a full Redis refuses it, before anything is done.
redis.call('HSET', key, 'owner', owner, 'lease_ms', int(NOW_MS + ARGV[4]))

local wanted = known[6] ~= '' and {} or nil
for state in string.gmatch(known[6], '[^,]+') do wanted[state] = true end
local function act(task)
  if wanted then
    local status = redis.call('HGET', task_key(task), 'status')
    if status and not TOMBSTONES[status] and not wanted[status] then return {'moved', status} end
  end
  if known[5] == 'cancel' then return cancel_task(task, ARGV[6]) end
  if known[5] == 'retry' then return requeue_task(task) end
  return forget_task(task, ARGV[7])
end

local left = tonumber(known[4]) - 1
local answer, done, refused = {'stepped', int(left)}, 0, 0
local told, lines = tonumber(known[7]), {}
local chunk = redis.call('HGET', key .. ':chunks', int(left)) or ''
for task in string.gmatch(chunk, '[^,]+') do
  done = done + 1
  local ok, outcome = pcall(act, task)
  if not ok then -- a broken record must not stop the others
    outcome = {'broken', type(outcome) == 'table' and outcome.err or tostring(outcome)}
  end
  if outcome[1] == 'queued' then answer[#answer + 1] = task end
  if outcome[1] == 'absent' or outcome[1] == 'refused' or outcome[1] == 'moved' or outcome[1] == 'broken' then
    refused = refused + 1
    if told + refused <= tonumber(ARGV[9]) then
      lines[#lines + 1] = cjson.encode({task, outcome[1], outcome[2]}) .. '\n'
    end
  end
end
if #lines > 0 then
  redis.call('HSET', key, 'errors', (redis.call('HGET', key, 'errors') or '') .. table.concat(lines))
end
redis.call('HINCRBY', key, 'done', done)
redis.call('HINCRBY', key, 'changed', done - refused)
redis.call('HINCRBY', key, 'refused', refused)
redis.call('HSET', key, 'left', int(left))
redis.call('HDEL', key .. ':chunks', int(left))
redis.call('EXPIRE', key, ARGV[8])
if left == 0 then
  redis.call('HSET', key, 'status', 'finished', 'finished_at', NOW)
  redis.call('ZREM', P .. 'operations:running', id)
else
  redis.call('EXPIRE', key .. ':chunks', ARGV[8])
end
return answer
