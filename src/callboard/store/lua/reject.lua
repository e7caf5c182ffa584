-- Take back a submit whose message may or may not have reached RabbitMQ: unless a worker has
-- started it, a tombstone stays behind that makes the claim skip it. ARGV: 2 id, 3 tombstone's life
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'run', 'task_type', 'priority', 'tags', 'idem')
if known[2] or (known[1] and known[1] ~= 'queued' and known[1] ~= 'scheduled') then
  return TOMBSTONES[known[1]] and 'rejected' or 'started'
end
local life = math.max(message_life(id), tonumber(ARGV[3]))
if known[1] then
  unindex(id, known[3], known[4], known[1], known[5])
  if known[6] then redis.call('DEL', P .. 'idem:' .. known[6]) end
  redis.call('DEL', key)
end
redis.call('HSET', key, 'status', 'rejected')
redis.call('EXPIRE', key, int(life))
return 'rejected'
