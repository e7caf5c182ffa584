-- Stop an operation; what it has done stays done. ARGV: 2 id, 3 record's life in s
-- Returns absent, or: cancelled|refused <status before>
local key = P .. 'operation:' .. ARGV[2]
local status = redis.call('HGET', key, 'status')
if not status then return {'absent', ''} end
if status ~= 'running' then return {'refused', status} end
redis.call('HSET', key, 'status', 'cancelled', 'finished_at', NOW)
redis.call('HDEL', key, 'owner', 'lease_ms')
redis.call('EXPIRE', key, ARGV[3])
redis.call('ZREM', P .. 'operations:running', ARGV[2])
redis.call('UNLINK', key .. ':chunks')
return {'cancelled', status}
