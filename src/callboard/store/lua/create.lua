-- Make a record, its indexes, first event, outbox entry and idempotency entry. Safe to repeat.
-- ARGV: 2 id, 3 type, 4 priority, 5 status, 6 eta or '', 7 tags as JSON or '',
--       8 idempotency key or '', 9 fingerprint, 10 first answer, 11 key's life in seconds,
--       12… the record's other fields as name, value pairs
local id, tags = ARGV[2], ARGV[7] ~= '' and ARGV[7] or nil
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
if redis.call('EXISTS', task_key(id)) == 1 then return {'created', id} end
create_record(id, ARGV[3], ARGV[4], ARGV[5], ARGV[6], tags, 12)
if ARGV[8] ~= '' then redis.call('HSET', task_key(id), 'idem', ARGV[8]) end
return {'created', id}
