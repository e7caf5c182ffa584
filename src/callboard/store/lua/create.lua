-- Make a record, its indexes, first event, outbox entry and idempotency entry. Safe to repeat.
-- ARGV: 2 id, 3 type, 4 priority, 5 status, 6 eta or '', 7 tags as JSON or '',
--       8 idempotency key or '', 9 fingerprint, 10 first answer, 11 key's life in seconds,
--       12… the record's other fields as name, value pairs
local id, task_type, priority, status = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local eta, tags = ARGV[6], ARGV[7] ~= '' and ARGV[7] or nil
local key = task_key(id)
if ARGV[8] ~= '' then
  local idem = P .. 'idem:' .. ARGV[8]
  local known = redis.call('HMGET', idem, 'fingerprint', 'task_id', 'answer', 'settled')
  if known[2] and known[2] ~= id then
    if known[1] ~= ARGV[9] then return {'mismatch', known[2]} end
    if not known[4] then return {'in_flight', known[2]} end
    return {'replay', known[2], known[3]}
  end
  if not known[2] then
    redis.call('HSET', idem, 'fingerprint', ARGV[9], 'task_id', id, 'answer', ARGV[10])
    redis.call('EXPIRE', idem, ARGV[11])
  end
end
if redis.call('EXISTS', key) == 1 then return {'created', id} end
redis.call('HSET', key, 'task_type', task_type, 'priority', priority, 'status', status, unpack(ARGV, 12))
if ARGV[8] ~= '' then redis.call('HSET', key, 'idem', ARGV[8]) end
if tags then redis.call('HSET', key, 'tags', tags) end
if eta ~= '' then
  redis.call('HSET', key, 'eta', eta)
  redis.call('ZADD', P .. 'due', eta, id)
end
add_indexes(id, task_type, priority, status, tags)
redis.call('ZADD', P .. 'outbox', NOW, id)
change(id, 's', status, 0, 0, '')
return {'created', id}
