-- RabbitMQ has confirmed these messages. ARGV: 2… ids
redis.call('ZREM', P .. 'outbox', unpack(ARGV, 2))
for n = 2, #ARGV do settle_key(ARGV[n]) end
return #ARGV - 1
