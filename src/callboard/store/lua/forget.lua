-- Delete a finished task. A tombstone keeps a late copy of its message from running it again.
-- ARGV: 2 id, 3 tombstone's life in s. Returns absent | deleted | refused <status>
local id = ARGV[2]
local key = task_key(id)
local known = redis.call('HMGET', key, 'status', 'task_type', 'priority', 'tags')
if not known[1] or TOMBSTONES[known[1]] then return {'absent', ''} end
if not TERMINAL[known[1]] then return {'refused', known[1]} end
unindex(id, known[2], known[3], known[1], known[4])
redis.call('DEL', key, key .. ':log')
redis.call('HSET', key, 'status', 'deleted')
redis.call('EXPIRE', key, ARGV[3])
return {'deleted', known[1]}
