-- A worker has stopped in good order. ARGV: 2 worker
redis.call('DEL', P .. 'worker:' .. ARGV[2])
redis.call('ZREM', P .. 'workers', ARGV[2])
return 'ok'
