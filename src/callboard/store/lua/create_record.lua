-- Make a queued or scheduled task: record, indexes, first event, outbox entry. Does nothing when it exists.
-- tags: JSON or nil; eta: '' or ms; the record's other fields are ARGV[first]… as name, value pairs
local function create_record(id, task_type, priority, status, eta, tags, first)
  local key = task_key(id)
  if redis.call('EXISTS', key) == 1 then return end
  redis.call('HSET', key, 'task_type', task_type, 'priority', priority, 'status', status, unpack(ARGV, first))
  if tags then redis.call('HSET', key, 'tags', tags) end
  if eta ~= '' then
    redis.call('HSET', key, 'eta', eta)
    redis.call('ZADD', P .. 'due', eta, id)
  end
  add_indexes(id, task_type, priority, status, tags)
  redis.call('ZADD', P .. 'outbox', NOW, id)
  change(id, 's', status, 0, 0, '', task_type, priority)
end
