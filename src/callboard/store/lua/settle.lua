-- RabbitMQ has confirmed these messages. ARGV: 2… ids
redis.call('ZREM', P .. 'outbox', unpack(ARGV, 2))
for n = 2, #ARGV do
  local idem = redis.call('HGET', task_key(ARGV[n]), 'idem')
  if idem then
    idem = P .. 'idem:' .. idem
    if redis.call('HGET', idem, 'task_id') == ARGV[n] then redis.call('HSET', idem, 'settled', 1) end
  end
end
return #ARGV - 1
