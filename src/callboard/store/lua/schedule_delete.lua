-- Forget a schedule; its tasks stay. ARGV: 2 id, 3 the version it must have, or ''
-- Returns deleted, absent, or stale
local key = P .. 'schedule:' .. ARGV[2]
local version = redis.call('HGET', key, 'version')
if not version then return 'absent' end
if ARGV[3] ~= '' and ARGV[3] ~= version then return 'stale' end
redis.call('DEL', key)
redis.call('ZREM', P .. 'schedules', ARGV[2])
redis.call('ZREM', P .. 'schedules:due', ARGV[2])
return 'deleted'
